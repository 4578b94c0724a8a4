//! Taking all there is of something, being refused, and giving it back.

use crate::guest::buffer::Buffer;
use crate::guest::heap::Heap;
use crate::guest::oracle;
use crate::guest::tidy::nothing_left;
use crate::rt::abi::{self, PAGE};
use crate::rt::tap::Tap;
use crate::rt::{Fd, Mapping, Status, file, process};
use alloc::format;
use alloc::vec::Vec;
use heaps::uapi::Errno;

/// More descriptors than any process gets.
const MANY: usize = 1 << 17;
/// Bytes taken at a time.
const CHUNK: usize = 1 << 20;

/// Every free descriptor, all closed again when dropped.
pub fn fill_table() -> (Vec<Fd>, Option<Errno>) {
    let mut held = Vec::with_capacity(4096);
    for _ in 0..MANY {
        match Fd::open("/dev/null", abi::O_RDONLY) {
            Ok(fd) => held.push(fd),
            Err(e) => return (held, Some(e)),
        }
    }
    (held, None)
}

pub fn descriptors(tap: &mut Tap) {
    for round in ["first", "second"] {
        let (held, error) = fill_table();
        crate::say!("# {} descriptors", held.len());
        tap.is(error, Some(Errno::EMFILE), format_args!("open until EMFILE, the {round} time"));
        tap.ok(held.len() >= 64, "which came late enough");
        tap.is(file::dup(0), Err(Errno::EMFILE), "dup: EMFILE");
        tap.is(file::fcntl(0, abi::F_DUPFD, 0), Err(Errno::EMFILE), "F_DUPFD: EMFILE");
        let last = held.last().map_or(0, Fd::raw);
        tap.is(file::dup3(0, last, 0), Ok(last), "dup3 replaces one");
        let child = process::in_child(|| i32::from(file::dup(0) != Err(Errno::EMFILE)));
        tap.is(child, Ok(Status::Exited(0)), "a child has as full a table");
        drop(held);
        tap.is(file::dup(0).map(|fd| drop(Fd::from_raw(fd))), Ok(()), "there is room again");
    }
}

/// Where directories are made until there is no more memory for any.
const TREE: &str = "/tmp/many";
/// How many in one.
const IN_ONE: usize = 512;

/// Small objects until the kernel has no room for one more: in its heap, not in page frames.
pub fn objects(tap: &mut Tap) {
    let _ = file::mkdir(TREE);
    let (mut made, mut error) = (0, None);
    while error.is_none() {
        let outer = made / IN_ONE;
        if made % IN_ONE == 0 {
            error = file::mkdir(&format!("{TREE}/{outer}")).err();
        }
        if error.is_none() {
            error = file::mkdir(&format!("{TREE}/{outer}/{made}")).err();
            made += usize::from(error.is_none());
        }
    }
    crate::say!("# {made} directories");
    tap.is(error, Some(Errno::ENOMEM), "mkdir until ENOMEM");
    tap.ok(made >= 1000, "which came late enough");
    tap.is(process::in_child(|| 0), Err(Errno::ENOMEM), "no process can be started");
    let mut removed = 0;
    for n in (0..made).rev() {
        let outer = n / IN_ONE;
        removed += usize::from(file::unlink(&format!("{TREE}/{outer}/{n}"), abi::AT_REMOVEDIR).is_ok());
        if n % IN_ONE == 0 {
            let _ = file::unlink(&format!("{TREE}/{outer}"), abi::AT_REMOVEDIR);
        }
    }
    tap.is(removed, made, "all are removed again");
    let _ = file::unlink(&format!("{TREE}/{}", made / IN_ONE), abi::AT_REMOVEDIR);
    tap.is(file::unlink(TREE, abi::AT_REMOVEDIR), Ok(()), "and what they were in");
    tap.is(process::in_child(|| 0), Ok(Status::Exited(0)), "a process can be started");
}

pub fn memory(tap: &mut Tap) {
    let before = oracle::settled_counts();
    for (name, take) in [("mmap", take_pages as fn() -> i32), ("the system heap", take_buffers)] {
        match process::in_child(take) {
            Ok(Status::Exited(0)) => tap.ok(true, format_args!("{name}: ENOMEM at the end of memory")),
            Ok(Status::Exited(3)) => {
                tap.skip(name, "there is none here");
                continue;
            }
            Ok(Status::Killed(abi::SIGKILL)) => {
                tap.ok(true, format_args!("{name}: killed at the end of memory"))
            }
            other => tap.is(other, Ok(Status::Exited(0)), format_args!("{name} until the end of memory")),
        };
        let room = Mapping::anonymous(16 * CHUNK).map(|pages| {
            (0..pages.length()).step_by(PAGE).for_each(|at| pages.put(at, 1));
        });
        tap.is(room, Ok(()), "afterwards there is room again");
    }
    nothing_left(tap, before, "all memory came back");
}

/// Maps and touches until there is no more; 0 when the end was ENOMEM.
fn take_pages() -> i32 {
    let mut held = Vec::new();
    loop {
        if held.try_reserve(1).is_err() {
            return 0;
        }
        match Mapping::anonymous(CHUNK) {
            Ok(pages) => {
                (0..CHUNK).step_by(PAGE).for_each(|at| pages.put(at, 1));
                held.push(pages);
            }
            Err(Errno::ENOMEM) => return 0,
            Err(_) => return 1,
        }
    }
}

/// Allocates until there is no more; 0 when the end was ENOMEM, or there are no descriptors to hold more.
fn take_buffers() -> i32 {
    let Ok(heap) = Heap::open("system") else { return 3 };
    let mut held: Vec<Buffer> = Vec::new();
    let mut length = 16 * CHUNK;
    loop {
        match heap.allocate(length) {
            Ok(buffer) if held.try_reserve(1).is_ok() => held.push(buffer),
            Ok(_) => return 0,
            // What is left may still do for smaller ones.
            Err(Errno::ENOMEM) if length > PAGE => length /= 2,
            Err(Errno::ENOMEM | Errno::EMFILE) => return 0,
            Err(_) => return 1,
        }
    }
}
