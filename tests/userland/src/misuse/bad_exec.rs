//! execve of files that are no programs, or broken ones: an error, or the death of whoever tried.

use super::child;
use crate::rt::tap::Tap;
use crate::rt::{Fd, Status, abi, file, process};
use alloc::vec::Vec;
use heaps::uapi::Errno;

const PATH: &str = "/misuse-garbage";
/// Offsets in an ELF header and its first program header (`linux/elf.h`, 64 bits).
const TYPE: usize = 16;
const MACHINE: usize = 18;
const ENTRY: usize = 24;
const PHOFF: usize = 32;
const PHENTSIZE: usize = 54;
const PHNUM: usize = 56;
const P_OFFSET: usize = 64 + 8;
const P_VADDR: usize = 64 + 16;
const P_FILESZ: usize = 64 + 32;
const P_MEMSZ: usize = 64 + 40;

/// What came of trying to execute `image`: the error, or how the child ended where exec went through.
fn outcome(image: &[u8]) -> Result<Status, Errno> {
    file::write_program(PATH, image)?;
    let status = process::in_child(|| 100 + i32::from(process::execute(PATH, &[PATH]).get()));
    file::unlink(PATH, 0)?;
    match status? {
        Status::Exited(code @ 101..) => Err(Errno::new(u16::from(code) - 100).unwrap_or(Errno::EIO)),
        other => Ok(other),
    }
}

/// Whether it is clearly a refusal: an error for the caller, or a signal where it came too late for one.
fn refused(outcome: Result<Status, Errno>) -> bool {
    let errors = [Errno::ENOEXEC, Errno::EINVAL, Errno::ENOMEM, Errno::EIO, Errno::EFAULT];
    match outcome {
        Err(e) => errors.contains(&e),
        Ok(Status::Killed(signal)) => {
            [abi::SIGSEGV, abi::SIGBUS, abi::SIGKILL, abi::SIGILL].contains(&signal)
        }
        Ok(Status::Exited(_)) => false,
    }
}

fn own_image() -> Result<Vec<u8>, Errno> {
    let fd = Fd::open("/proc/self/exe", abi::O_RDONLY | abi::O_CLOEXEC)?;
    let mut image = alloc::vec![0; file::stat(fd.raw())?.size as usize];
    file::read_full(fd.raw(), &mut image)?;
    Ok(image)
}

pub fn run(tap: &mut Tap) {
    for (what, image) in [
        ("an empty file", &b""[..]),
        ("one byte", b"\x7f"),
        ("text", b"this is no program\n"),
        ("an ELF's magic alone", b"\x7fELF"),
        ("zeros", &[0; 4096]),
    ] {
        tap.is(outcome(image), Err(Errno::ENOEXEC), what);
    }
    match own_image() {
        Ok(image) if image.starts_with(b"\x7fELF") => {
            truncated(tap, &image);
            broken(tap, &image);
        }
        _ => tap.skip("broken copies of this program", "it cannot be read through /proc/self/exe"),
    }
    tap.is(child(|| ()), Ok(Status::Exited(0)), "and processes still work");
}

fn truncated(tap: &mut Tap, image: &[u8]) {
    for length in [16, 63, 64, 100, 64 + 56] {
        let got = outcome(&image[..length]);
        tap.ok(refused(got), format_args!("this program's first {length} bytes: {got:?}"));
    }
}

fn broken(tap: &mut Tap, image: &[u8]) {
    let changes: [(&str, usize, &[u8]); 12] = [
        ("a relocatable object", TYPE, &1u16.to_le_bytes()),
        ("for x86-64", MACHINE, &62u16.to_le_bytes()),
        ("program headers past the end", PHOFF, &(1u64 << 40).to_le_bytes()),
        ("program headers that wrap", PHOFF, &(u64::MAX - 8).to_le_bytes()),
        ("program headers of a strange size", PHENTSIZE, &17u16.to_le_bytes()),
        ("no program headers", PHNUM, &0u16.to_le_bytes()),
        ("65535 program headers", PHNUM, &u16::MAX.to_le_bytes()),
        ("a segment in the kernel", P_VADDR, &0xffff_8000_8000_0000u64.to_le_bytes()),
        ("a segment larger than memory", P_MEMSZ, &(1u64 << 60).to_le_bytes()),
        ("a segment that wraps", P_MEMSZ, &u64::MAX.to_le_bytes()),
        ("a segment of more file than memory", P_FILESZ, &(1u64 << 40).to_le_bytes()),
        ("a segment off its page", P_OFFSET, &3u64.to_le_bytes()),
    ];
    for (what, at, bytes) in changes {
        let mut copy = image.to_vec();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        let got = outcome(&copy);
        tap.ok(refused(got), format_args!("an ELF file {what}: {got:?}"));
    }
    let mut copy = image.to_vec();
    copy[ENTRY..ENTRY + 8].copy_from_slice(&0xffff_8000_8000_0000u64.to_le_bytes());
    let got = outcome(&copy);
    tap.ok(refused(got), format_args!("an entry in the kernel: {got:?}"));
}
