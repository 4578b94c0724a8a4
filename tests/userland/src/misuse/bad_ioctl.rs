//! Every field of a heap's and a buffer's ioctls, wrong in every way: sizes, flags, numbers, pointers, and
//! no room for the descriptor at the last step. Nothing may be left behind by a refusal.

use super::exhaustion;
use crate::guest::buffer::Buffer;
use crate::guest::heap::Heap;
use crate::guest::oracle;
use crate::guest::tidy::nothing_left;
use crate::rt::abi::{self, PAGE, nr};
use crate::rt::arch::wild::{Arg, syscall};
use crate::rt::tap::Tap;
use crate::rt::{Fd, Mapping, Status, file, process};
use heaps::uapi::Errno;
use heaps::uapi::dma_buf::{DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME_B, Sync};
use heaps::uapi::dma_heap::{AllocationData, DMA_HEAP_IOCTL_ALLOC, KIND, VALID_FD_FLAGS};
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, READ, WRITE};

const HEAP: &str = "system";

pub fn run(tap: &mut Tap) {
    let heap = match Heap::open(HEAP) {
        Ok(heap) => heap,
        Err(e) => return tap.skip("ioctls of heap `system`", e.name().unwrap_or("no such heap")),
    };
    let before = oracle::settled_counts();
    sizes(tap, &heap);
    flags(tap, &heap);
    numbers(tap, &heap);
    heap_file(tap, &heap);
    pointers(tap, &heap);
    full_table(tap, &heap);
    match heap.allocate(2 * PAGE) {
        Ok(buffer) => buffer_file(tap, &heap, &buffer),
        Err(e) => drop(tap.is(Some(e), None, "a buffer to misuse")),
    }
    nothing_left(tap, before, "no refusal left anything behind");
}

fn request(heap: &Heap, mut arg: AllocationData) -> Result<Fd> {
    file::ioctl(heap.raw(), DMA_HEAP_IOCTL_ALLOC, &mut arg)?;
    Ok(Fd::from_raw(arg.fd as i32))
}

fn good() -> AllocationData {
    AllocationData { len: 1, fd_flags: abi::O_RDWR, ..Default::default() }
}

fn sizes(tap: &mut Tap, heap: &Heap) {
    let size = |len: u64| {
        let fd = request(heap, AllocationData { len, ..good() })?;
        file::seek(fd.raw(), 0, abi::SEEK_END)
    };
    let page = PAGE as u64;
    tap.is(size(0), Err(Errno::EINVAL), "no bytes: EINVAL");
    for len in [1, page - 1, page] {
        tap.is(size(len), Ok(page), format_args!("{len} bytes are a page"));
    }
    tap.is(size(page + 1), Ok(2 * page), "a page and a byte are two");
    // In a child, since a kernel that does not look at the size first may kill whoever asks.
    for power in [63, 45] {
        let refused = process::in_child(|| i32::from(size(1 << power) != Err(Errno::ENOMEM)));
        tap.is(refused, Ok(Status::Exited(0)), format_args!("2^{power} bytes: ENOMEM"));
    }
    tap.is(size(u64::MAX), Err(Errno::EINVAL), "2^64 - 1 bytes overflow when rounded: EINVAL");
    tap.is(size(u64::MAX - page + 2), Err(Errno::EINVAL), "and so does the least that can");
}

fn flags(tap: &mut Tap, heap: &Heap) {
    let error = |arg| request(heap, arg).err();
    let valid = |bit: u32| VALID_FD_FLAGS & 1 << bit != 0;
    let wrong = (0..32).filter(|&bit| {
        let got = error(AllocationData { fd_flags: 1 << bit, ..good() });
        got != if valid(bit) { None } else { Some(Errno::EINVAL) }
    });
    tap.is(wrong.count(), 0, "each bit of fd_flags is valid or EINVAL");
    let wrong = (0..64)
        .filter(|&bit| error(AllocationData { heap_flags: 1 << bit, ..good() }) != Some(Errno::EINVAL));
    tap.is(wrong.count(), 0, "each bit of heap_flags is EINVAL");
    for fd in [1, u32::MAX] {
        let got = error(AllocationData { fd, ..good() });
        tap.is(got, Some(Errno::EINVAL), format_args!("fd {fd} on input: EINVAL"));
    }
}

fn numbers(tap: &mut Tap, heap: &Heap) {
    // A longer structure than the kernel knows: its tail is ignored.
    let mut long = [0u64; 8];
    long[0] = 1;
    long[1] = u64::from(abi::O_RDWR) << 32;
    let command = |nr, size| Command::new(READ | WRITE, KIND, nr, size);
    let got = file::ioctl(heap.raw(), command(0, 64), &mut long);
    tap.is(got, Ok(0), "a longer structure");
    if got.is_ok() {
        drop(Fd::from_raw(long[1] as u32 as i32));
    }
    // A shorter one: what is missing is zero.
    let mut short = [1u64, u64::from(abi::O_RDWR) << 32];
    let got = file::ioctl(heap.raw(), command(0, 16), &mut short);
    tap.is(got, Ok(0), "a shorter structure");
    if got.is_ok() {
        drop(Fd::from_raw(short[1] as u32 as i32));
    }
    for nr in [1, 2, 255] {
        let got = file::ioctl(heap.raw(), command(nr, 24), &mut long);
        tap.is(got, Err(Errno::EINVAL), format_args!("number {nr}: EINVAL"));
    }
}

fn heap_file(tap: &mut Tap, heap: &Heap) {
    let fd = heap.raw();
    tap.is(file::read(fd, &mut [0]), Err(Errno::EINVAL), "read of a heap: EINVAL");
    tap.is(file::write(fd, &[0]), Err(Errno::EINVAL), "write to a heap: EINVAL");
    tap.is(file::seek(fd, 0, abi::SEEK_SET), Err(Errno::ESPIPE), "lseek in a heap: ESPIPE");
    tap.is(Mapping::shared(fd, PAGE).err(), Some(Errno::ENODEV), "mmap of a heap: ENODEV");
}

/// The lowest free descriptor: where it rises, one was installed and forgotten.
fn next_fd() -> Result<i32> {
    file::dup(0).map(|fd| Fd::from_raw(fd).raw())
}

fn pointers(tap: &mut Tap, heap: &Heap) {
    let next = next_fd();
    let alloc = |arg| {
        let command = Arg::Command(DMA_HEAP_IOCTL_ALLOC.raw());
        syscall(nr::IOCTL, &[Arg::Int(heap.raw().into()), command, arg])
    };
    for bad in [0, 8, 0xffff_8000_8000_0000, usize::MAX - 23, usize::MAX] {
        tap.is(alloc(Arg::Bad(bad)), Err(Errno::EFAULT), format_args!("ALLOC at {bad:#x}: EFAULT"));
    }
    let Ok(pages) = Mapping::anonymous(2 * PAGE) else {
        tap.ok(false, "mmap");
        return;
    };
    // The structure ends inside each of its fields in turn.
    let _ = pages.protect(PAGE, PAGE, abi::PROT_NONE);
    for there in [1, 8, 12, 16, 20, 23] {
        let at = PAGE - there;
        pages.put(at, 1);
        tap.is(
            alloc(Arg::At(&pages, at)),
            Err(Errno::EFAULT),
            format_args!("only {there} bytes there: EFAULT"),
        );
        pages.put(at, 0);
    }
    // It can be read but not written: the kernel finds out when the buffer is made already.
    pages.put_word(0, 1);
    pages.put_word(8, u64::from(abi::O_RDWR) << 32);
    let _ = pages.protect(0, PAGE, abi::PROT_READ);
    tap.is(alloc(Arg::At(&pages, 0)), Err(Errno::EFAULT), "nowhere to write the answer: EFAULT");
    tap.is(next_fd(), next, "and no descriptor was installed");
}

fn full_table(tap: &mut Tap, heap: &Heap) {
    let before = oracle::settled_counts();
    let (held, _) = exhaustion::fill_table();
    tap.is(heap.allocate(PAGE).err(), Some(Errno::EMFILE), "no room for the descriptor: EMFILE");
    drop(held);
    nothing_left(tap, before, "and the buffer it was for is gone");
}

fn buffer_file(tap: &mut Tap, heap: &Heap, buffer: &Buffer) {
    let fd = buffer.raw();
    let sync = |flags| file::ioctl(fd, DMA_BUF_IOCTL_SYNC, &mut Sync { flags });
    for flags in [0, 4, 8 | 3, 1 << 32 | 1, u64::MAX] {
        tap.is(sync(flags), Err(Errno::EINVAL), format_args!("SYNC {flags:#x}: EINVAL"));
    }
    tap.is(sync(1).and_then(|_| sync(1 | 4)), Ok(0), "SYNC for reading, begun and ended");
    let mut word = 0u64;
    let strange = file::ioctl(fd, Command::new(WRITE, b'b', 77, 8), &mut word);
    tap.is(strange, Err(Errno::ENOTTY), "an unknown ioctl: ENOTTY");
    let mut endless = [b'x'; 64];
    tap.is(file::ioctl(fd, DMA_BUF_SET_NAME_B, &mut endless), Err(Errno::EINVAL), "a name too long: EINVAL");
    for bad in [0, 0xffff_8000_8000_0000] {
        let set =
            syscall(nr::IOCTL, &[Arg::Int(fd.into()), Arg::Command(DMA_BUF_SET_NAME_B.raw()), Arg::Bad(bad)]);
        tap.is(set, Err(Errno::EFAULT), format_args!("a name at {bad:#x}: EFAULT"));
        let set =
            syscall(nr::IOCTL, &[Arg::Int(fd.into()), Arg::Command(DMA_BUF_IOCTL_SYNC.raw()), Arg::Bad(bad)]);
        tap.is(set, Err(Errno::EFAULT), format_args!("SYNC at {bad:#x}: EFAULT"));
    }
    tap.is(file::seek(fd, 1, abi::SEEK_SET), Err(Errno::EINVAL), "lseek to 1: EINVAL");
    tap.is(file::seek(fd, 0, abi::SEEK_CUR), Err(Errno::EINVAL), "SEEK_CUR: EINVAL");
    tap.is(file::seek(fd, 0, abi::SEEK_SET), Ok(0), "SEEK_SET to 0");
    tap.is(Mapping::shared(fd, 3 * PAGE).err(), Some(Errno::EINVAL), "mmap past its end: EINVAL");
    let late = Mapping::new(2 * PAGE, abi::PROT_RW, abi::MAP_SHARED, fd, PAGE);
    tap.is(late.err(), Some(Errno::EINVAL), "mmap from its second page past its end: EINVAL");
    tap.is(file::read(fd, &mut [0]), Err(Errno::EINVAL), "read of a buffer: EINVAL");
    let reader = request(heap, AllocationData { fd_flags: abi::O_RDONLY, ..good() });
    let mapped = reader.and_then(|reader| Mapping::shared(reader.raw(), PAGE).map(drop));
    tap.is(mapped, Err(Errno::EACCES), "a shared writable mapping of a read-only buffer: EACCES");
}
