//! `/bin/edutest`: a device's own DMA to and from buffers of every heap. TAP.
//!
//! With `narrow`, for a machine whose device does not reach its memory: every import is refused.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::edu::{EDU_IMPORT, Transfer};
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, WRITE};
use userland::guest::buffer::Buffer;
use userland::guest::edu::{Edu, MEMORY};
use userland::guest::fence::{self, Timeline};
use userland::guest::heap::Heap;
use userland::guest::provider::Provider;
use userland::guest::{read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Arg, Args, Mapping, Status, abi, file, process, syscall};

userland::program!(run);

const PAGE: usize = abi::PAGE;
const HEAPS: [&str; 2] = ["system", "default_cma_region"];

fn run(args: Args) -> i32 {
    match args.get(1) {
        Some("narrow") => tidy::run(narrow),
        _ => tidy::run(checks),
    }
}

fn checks(tap: &mut Tap) {
    device(tap);
    tap.is(usable(), Ok(HEAPS.len()), "it can use every heap");
    wrong_imports(tap);
    for heap in HEAPS {
        tap.is(round_trip(heap), Ok(true), format_args!("{heap}: what the device read is what it writes"));
        tap.is(across_pages(heap), Ok(true), format_args!("{heap}: bytes across a page's end"));
        tap.is(outlives(heap), Ok(true), format_args!("{heap}: an import outlives descriptors and mappings"));
    }
    wrong_transfers(tap);
    tap.is(waits(), Ok((Status::Exited(0), true)), "a transfer waits for the buffer's fences");
    unplugged(tap);
    tap.is(full(), Ok((64, Errno::ENOSPC)), "an open device has room for 64 imports");
    tap.is(exits(), Ok(Status::Exited(0)), "a process ends with imports");
}

/// How many of the heaps the kernel says the device can use.
fn suited() -> usize {
    let listed = read_text("/sys/class/dma_device/edu/heaps").unwrap_or_default();
    HEAPS.iter().filter(|heap| listed.lines().any(|line| line == **heap)).count()
}

fn device(tap: &mut Tap) {
    tap.is(suited(), HEAPS.len(), "the device can use every heap");
    let info = Edu::open().and_then(|edu| edu.info());
    let known = info.map(|info| (info.id & 0xff, info.memory, info.interrupt >= 32));
    tap.is(known, Ok((0xed, MEMORY as u64, true)), "the device says what it is");
    let factorials =
        |edu: Edu| [0, 1, 10, 13].into_iter().map(|n| edu.factorial(n)).collect::<Result<Vec<_>>>();
    let computed = Edu::open().and_then(factorials);
    tap.is(
        computed,
        Ok([1, 1, 3_628_800, 1_932_053_504].to_vec()),
        "it computes, and interrupts when it has",
    );
}

/// How many heaps of [`HEAPS`] the device can use, as the kernel lists them.
fn usable() -> Result<usize> {
    let listed = read_text("/sys/class/dma_device/edu/heaps")?;
    Ok(HEAPS.iter().filter(|heap| listed.lines().any(|line| line == **heap)).count())
}

fn wrong_imports(tap: &mut Tap) {
    let refused = |fd: i32| Edu::open().and_then(|edu| edu.import(fd));
    tap.is(refused(-1), Err(Errno::EBADF), "importing no descriptor");
    tap.is(refused(1), Err(Errno::EINVAL), "importing a terminal");
    let heap = Heap::open("system");
    tap.is(heap.and_then(|heap| refused(heap.raw())), Err(Errno::EINVAL), "importing a heap, not a buffer");
    let unknown = Command::new(WRITE, b'e', 99, 4);
    let sent = Edu::open().and_then(|edu| file::ioctl(edu.raw(), unknown, &mut 0u32));
    tap.is(sent, Err(Errno::ENOTTY), "a command it does not know");
    let forgotten = Edu::open().and_then(|edu| edu.forget(0));
    tap.is(forgotten, Err(Errno::ENOENT), "forgetting what was never imported");
    tap.is(mapped_read_only(), Ok(Errno::EFAULT), "a handle that cannot be written back");
}

/// The argument of an import on a page that is read-only: nothing stays imported.
fn mapped_read_only() -> Result<Errno> {
    let (edu, buffer) = (Edu::open()?, Heap::open("system")?.allocate(PAGE)?);
    let place = Mapping::anonymous(PAGE)?;
    place.put_word(0, u64::from(buffer.raw() as u32));
    place.protect(0, PAGE, abi::PROT_READ)?;
    let arguments = [Arg::Int(edu.raw().into()), Arg::Command(EDU_IMPORT.raw()), Arg::At(&place, 0)];
    match syscall(abi::nr::IOCTL, &arguments) {
        Err(errno) if edu.forget(0) == Err(Errno::ENOENT) => Ok(errno),
        _ => Err(Errno::EIO),
    }
}

/// A buffer, and all of it mapped.
fn buffer(heap: &str, pages: usize) -> Result<(Buffer, Mapping)> {
    let buffer = Heap::open(heap)?.allocate(pages * PAGE)?;
    let map = buffer.map()?;
    Ok((buffer, map))
}

fn pattern(at: usize) -> u64 {
    (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Each page of a buffer goes to the device and comes back into another.
fn round_trip(heap: &str) -> Result<bool> {
    const PAGES: usize = 3;
    let edu = Edu::open()?;
    let ((from, source), (to, target)) = (buffer(heap, PAGES)?, buffer(heap, PAGES)?);
    (0..PAGES * PAGE).step_by(8).for_each(|at| source.put_word(at, pattern(at)));
    let (from, to) = (edu.import(from.raw())?, edu.import(to.raw())?);
    for page in 0..PAGES {
        edu.load(from, page * PAGE, PAGE)?;
        edu.store(to, page * PAGE, PAGE)?;
    }
    Ok((0..PAGES * PAGE).step_by(8).all(|at| target.word(at) == pattern(at)))
}

fn across_pages(heap: &str) -> Result<bool> {
    const AT: usize = PAGE - 24;
    const LEN: usize = 40;
    let edu = Edu::open()?;
    let (buffer, map) = buffer(heap, 2)?;
    (AT..AT + LEN).step_by(8).for_each(|at| map.put_word(at, pattern(at)));
    let handle = edu.import(buffer.raw())?;
    edu.load(handle, AT, LEN)?;
    edu.store(handle, 0, LEN)?;
    let moved = (0..LEN).step_by(8).all(|at| map.word(at) == pattern(AT + at));
    Ok(moved && map.word(LEN) == 0)
}

fn outlives(heap: &str) -> Result<bool> {
    let edu = Edu::open()?;
    let (first, map) = buffer(heap, 1)?;
    map.put_word(0, pattern(5));
    let handle = edu.import(first.raw())?;
    map.unmap()?;
    first.close()?;
    edu.load(handle, 0, 8)?;
    let (second, map) = buffer(heap, 1)?;
    let copy = edu.import(second.raw())?;
    edu.forget(handle)?;
    edu.store(copy, 0, 8)?;
    let gone = edu.load(handle, 0, 8) == Err(Errno::ENOENT);
    Ok(gone && map.word(0) == pattern(5))
}

fn wrong_transfers(tap: &mut Tap) {
    let imported = Edu::open().and_then(|edu| {
        let buffer = Heap::open("system")?.allocate(2 * PAGE)?;
        edu.import(buffer.raw()).map(|handle| (edu, handle))
    });
    let Ok((edu, handle)) = imported else {
        tap.is(imported.map(drop), Ok(()), "an import");
        return;
    };
    let good = Transfer { handle, direction: 0, offset: 0, at: 0, len: 8 };
    for (wrong, what) in [
        (Transfer { len: 0, ..good }, "no bytes"),
        (Transfer { direction: 2, ..good }, "a direction there is not"),
        (Transfer { offset: 2 * PAGE as u64 - 7, ..good }, "past the buffer's end"),
        (Transfer { offset: u64::MAX - 3, ..good }, "past all ends"),
        (Transfer { len: u32::MAX, ..good }, "more than there is"),
        (Transfer { at: MEMORY as u32 - 7, ..good }, "past the end of the device's memory"),
        (Transfer { at: u32::MAX, ..good }, "far past it"),
    ] {
        tap.is(edu.transfer(wrong), Err(Errno::EINVAL), format_args!("a transfer: {what}"));
    }
    let stranger = Transfer { handle: handle + 1, ..good };
    tap.is(edu.transfer(stranger), Err(Errno::ENOENT), "a transfer of another's");
    tap.is(edu.transfer(good), Ok(()), "a transfer that is right");
}

/// The device writes to a buffer that has a fence: what is written there before the fence is signalled is gone after.
fn waits() -> Result<(Status, bool)> {
    let edu = Edu::open()?;
    let (buffer, map) = buffer("system", 2)?;
    let handle = edu.import(buffer.raw())?;
    map.put_word(PAGE, pattern(1));
    edu.load(handle, PAGE, 8)?;
    let timeline = Timeline::open()?;
    fence::put_on(buffer.raw(), &timeline.fence(1)?)?;
    let writer = process::spawn(|| i32::from(edu.store(handle, 0, 8).is_err()))?;
    map.put_word(0, 1);
    timeline.step()?;
    let status = process::wait(writer)?.1;
    Ok((status, map.word(0) == pattern(1)))
}

/// The memory's device goes while `edu` works on a buffer of it, over and over: the transfer under way ends first, none
/// comes after, and no page is anybody else's before.
fn unplugged(tap: &mut Tap) {
    let loaded = Provider::load_with("edutest", "memory=own");
    let Ok(provider) = loaded else {
        tap.is(loaded.map(drop), Ok(()), "a provider with memory of its own");
        return;
    };
    let imported = Edu::open().and_then(|edu| {
        let buffer = Heap::open("edutest")?.allocate(PAGE)?;
        edu.import(buffer.raw()).map(|handle| (edu, handle, buffer))
    });
    let outcome = imported.and_then(|(edu, handle, buffer)| {
        let worker = process::spawn(|| {
            let _ = edu.load(handle, 0, 8);
            // Busy until it is refused.
            let refused = (0..1000).find_map(|_| edu.store(handle, 0, PAGE).err());
            i32::from(refused != Some(Errno::ENODEV))
        })?;
        // So that a transfer of the worker's is under way, or about to be.
        edu.store(handle, 0, 8)?;
        provider.unplug()?;
        let after = edu.load(handle, 0, 8);
        let again = edu.import(buffer.raw());
        Ok((process::wait(worker)?.1, after, again))
    });
    let want = (Status::Exited(0), Err(Errno::ENODEV), Err(Errno::ENODEV));
    tap.is(outcome, Ok(want), "memory is pulled out from under transfers");
    tap.is(provider.unload(), Ok(()), "and its provider goes");
}

fn full() -> Result<(usize, Errno)> {
    let (edu, buffer) = (Edu::open()?, Heap::open("system")?.allocate(PAGE)?);
    let taken = (0..100).map_while(|_| edu.import(buffer.raw()).ok()).count();
    match edu.import(buffer.raw()) {
        Err(errno) => Ok((taken, errno)),
        Ok(_) => Err(Errno::EIO),
    }
}

fn exits() -> Result<Status> {
    process::in_child(|| {
        let imported = Edu::open().and_then(|edu| {
            let buffer = Heap::open("default_cma_region")?.allocate(PAGE)?;
            let handle = edu.import(buffer.raw())?;
            core::mem::forget(buffer);
            edu.load(handle, 0, PAGE)?;
            core::mem::forget(edu);
            Ok(())
        });
        i32::from(imported.is_err())
    })
}

fn narrow(tap: &mut Tap) {
    tap.is(suited(), 0, "the device can use no heap");
    let last = Edu::open().and_then(|edu| edu.info()).map(|info| info.last_address);
    tap.is(last, Ok((1 << 28) - 1), "the device has 28 address lines");
    for heap in HEAPS {
        let imported = Edu::open().and_then(|edu| {
            let buffer = Heap::open(heap)?.allocate(PAGE)?;
            edu.import(buffer.raw())
        });
        tap.is(imported, Err(Errno::EIO), format!("{heap}: a buffer it does not reach"));
    }
    tap.is(usable(), Ok(0), "it can use no heap");
    let computed = Edu::open().and_then(|edu| edu.factorial(5));
    tap.is(computed, Ok(120), "it computes all the same");
}
