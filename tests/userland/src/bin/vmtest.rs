//! `/bin/vmtest`: mmap, munmap, mprotect, brk and copy on write. TAP.
//!
//! What must fault is tried in a child, which is expected to die of SIGSEGV.
#![cfg_attr(target_os = "none", no_std, no_main)]

use heaps::uapi::Errno;
use userland::rt::arch::memory::Break;
use userland::rt::arch::trap::{self, Trap};
use userland::rt::tap::Tap;
use userland::rt::{Args, Mapping, Status, abi, process};

userland::program!(run);

const PAGE: usize = abi::PAGE;
const ANONYMOUS: usize = abi::MAP_PRIVATE | abi::MAP_ANONYMOUS;
const SEGV: Result<Status, Errno> = Ok(Status::Killed(abi::SIGSEGV));

fn run(_args: Args) -> i32 {
    let mut tap = Tap::new();
    mapping(&mut tap);
    holes(&mut tap);
    protection(&mut tap);
    refusals(&mut tap);
    many(&mut tap);
    program_break(&mut tap);
    copy_on_write(&mut tap);
    large(&mut tap);
    tap.done()
}

/// How a child ends that does this.
fn child(f: impl FnOnce()) -> Result<Status, Errno> {
    process::in_child(|| {
        f();
        0
    })
}

fn mapping(tap: &mut Tap) {
    let Ok(pages) = Mapping::anonymous(5 * PAGE + 100) else {
        tap.ok(false, "mmap of five pages and a bit");
        return;
    };
    tap.is(pages.address() % PAGE, 0, "a mapping starts at a page");
    let zero = (0..pages.length() / 8).all(|i| pages.word(8 * i) == 0);
    tap.ok(zero, "new pages are zero");
    for i in 0..pages.length() / 8 {
        pages.put_word(8 * i, i as u64 * 0x0101_0101);
    }
    let kept = (0..pages.length() / 8).all(|i| pages.word(8 * i) == i as u64 * 0x0101_0101);
    tap.ok(kept, "and keep what is written");
    let address = pages.address();
    tap.is(pages.unmap(), Ok(()), "munmap");
    tap.is(child(|| trap::spring(Trap::LoadFrom(address))), SEGV, "what was unmapped faults");
}

fn holes(tap: &mut Tap) {
    let Ok(pages) = Mapping::anonymous(4 * PAGE) else {
        tap.ok(false, "mmap of four pages");
        return;
    };
    pages.put(0, 1);
    pages.put(3 * PAGE, 4);
    tap.is(pages.punch(PAGE, PAGE), Ok(()), "munmap of one page in the middle");
    tap.is((pages.get(0), pages.get(3 * PAGE)), (1, 4), "leaves those beside it");
    tap.is(
        child(|| {
            pages.get(PAGE);
        }),
        SEGV,
        "and a hole",
    );
    tap.is(pages.punch(PAGE, PAGE), Ok(()), "munmap of the hole does nothing, well");
    tap.is(pages.punch(1, PAGE), Err(Errno::EINVAL), "munmap off a page boundary");
    tap.is(pages.punch(0, 0), Err(Errno::EINVAL), "munmap of nothing");
}

fn protection(tap: &mut Tap) {
    let Ok(pages) = Mapping::anonymous(3 * PAGE) else {
        tap.ok(false, "mmap of three pages");
        return;
    };
    pages.put(PAGE, 7);
    tap.is(pages.protect(PAGE, PAGE, abi::PROT_READ), Ok(()), "mprotect of the middle page to read-only");
    tap.is(pages.get(PAGE), 7, "it can still be read");
    tap.is(child(|| pages.put(PAGE, 8)), SEGV, "and not written");
    tap.is(child(|| pages.put(2 * PAGE, 8)), Ok(Status::Exited(0)), "its neighbour can");
    // Whose CPU has just used the page, and must forget what it knew of it.
    let at_once = child(|| {
        pages.put(0, 1);
        let _ = pages.protect(0, PAGE, abi::PROT_READ);
        pages.put(0, 2);
    });
    tap.is(at_once, SEGV, "who has just written to a page cannot, from mprotect on");
    let at_once = child(|| {
        pages.put(0, 1);
        let _ = pages.punch(0, PAGE);
        pages.get(0);
    });
    tap.is(at_once, SEGV, "nor read one, from munmap on");
    tap.is(pages.protect(PAGE, PAGE, abi::PROT_NONE), Ok(()), "mprotect to nothing");
    tap.is(
        child(|| {
            pages.get(PAGE);
        }),
        SEGV,
        "and it cannot be read",
    );
    tap.is(pages.protect(PAGE, PAGE, abi::PROT_WRITE), Ok(()), "mprotect to writing alone");
    tap.is(child(|| assert_eq!(pages.get(PAGE), 7)), Ok(Status::Exited(0)), "it can be read all the same");
    tap.is(pages.protect(PAGE, PAGE, abi::PROT_RW), Ok(()), "mprotect back");
    pages.put(PAGE + 1, 9);
    tap.is((pages.get(PAGE), pages.get(PAGE + 1)), (7, 9), "its data were kept all along");
    tap.is(child(|| trap::spring(Trap::JumpTo(pages.address()))), SEGV, "data do not execute");
    tap.is(pages.punch(PAGE, PAGE), Ok(()), "with a hole");
    tap.is(pages.protect(0, 3 * PAGE, abi::PROT_READ), Err(Errno::ENOMEM), "mprotect across it: ENOMEM");
    tap.is(pages.protect(1, PAGE, abi::PROT_READ), Err(Errno::EINVAL), "off a page boundary: EINVAL");
}

fn refusals(tap: &mut Tap) {
    let map = |length, prot, flags, fd, offset| Mapping::new(length, prot, flags, fd, offset).err();
    let none = map(0, abi::PROT_RW, ANONYMOUS, -1, 0);
    tap.is(none, Some(Errno::EINVAL), "mmap of nothing: EINVAL");
    let huge = map(1 << 60, abi::PROT_RW, ANONYMOUS, -1, 0);
    tap.is(huge, Some(Errno::ENOMEM), "of more than there are addresses: ENOMEM");
    let wrap = map(usize::MAX, abi::PROT_RW, ANONYMOUS, -1, 0);
    tap.is(wrap, Some(Errno::ENOMEM), "of a length that wraps when rounded: ENOMEM");
    let neither = map(PAGE, abi::PROT_RW, abi::MAP_ANONYMOUS, -1, 0);
    tap.is(neither, Some(Errno::EINVAL), "neither shared nor private: EINVAL");
    let no_file = map(PAGE, abi::PROT_RW, abi::MAP_PRIVATE, 99, 0);
    tap.is(no_file, Some(Errno::EBADF), "of a file that is not open: EBADF");
    let odd = map(PAGE, abi::PROT_READ, abi::MAP_PRIVATE, -1, 12);
    tap.is(odd, Some(Errno::EINVAL), "of an offset within a page: EINVAL");
}

fn many(tap: &mut Tap) {
    const MANY: usize = 128;
    let mut pages: [Option<Mapping>; MANY] = core::array::from_fn(|_| Mapping::anonymous(PAGE).ok());
    for (i, page) in pages.iter().flatten().enumerate() {
        page.put_word(0, i as u64);
    }
    for page in pages.iter_mut().step_by(2) {
        *page = None;
    }
    let right = pages.iter().enumerate().skip(1).step_by(2);
    let right = right.filter(|(i, page)| page.as_ref().is_some_and(|p| p.word(0) == *i as u64));
    tap.is(right.count(), MANY / 2, format_args!("{MANY} mappings, every second unmapped"));
}

fn program_break(tap: &mut Tap) {
    let Ok(mut end) = Break::current() else {
        tap.ok(false, "brk");
        return;
    };
    tap.is(end.resize(3 * PAGE + 5), Ok(()), "brk grows");
    tap.is((end.get(0), end.get(3 * PAGE)), (0, 0), "new memory is zero");
    end.put(3 * PAGE, 3);
    tap.is(end.get(3 * PAGE), 3, "and holds");
    tap.is(end.resize(PAGE), Ok(()), "brk shrinks");
    tap.is(end.resize(4 * PAGE), Ok(()), "and grows again");
    tap.is(end.get(3 * PAGE), 0, "what was given back comes zeroed");
    tap.is(end.resize(1 << 46), Err(Errno::ENOMEM), "too far is refused");
    tap.is(end.length(), 4 * PAGE, "and leaves it where it was");
    tap.is(end.resize(0), Ok(()), "brk goes back to its start");
}

fn copy_on_write(tap: &mut Tap) {
    const PAGES: usize = 32;
    let Ok(pages) = Mapping::anonymous(PAGES * PAGE) else {
        tap.ok(false, "mmap");
        return;
    };
    for i in 0..PAGES {
        pages.put_word(i * PAGE, i as u64 + 1);
    }
    // Three generations, each writing every other page of what it was given.
    let generations = process::in_child(|| {
        let inner = process::in_child(|| {
            let seen = (0..PAGES).all(|i| pages.word(i * PAGE) == i as u64 + 1);
            (0..PAGES).for_each(|i| pages.put_word(i * PAGE, 1000));
            i32::from(!seen)
        });
        (0..PAGES).step_by(2).for_each(|i| pages.put_word(i * PAGE, 2000));
        let own = (0..PAGES).all(|i| pages.word(i * PAGE) == if i % 2 == 0 { 2000 } else { i as u64 + 1 });
        i32::from(inner != Ok(Status::Exited(0)) || !own)
    });
    tap.is(generations, Ok(Status::Exited(0)), "three generations see their own memory");
    let intact = (0..PAGES).all(|i| pages.word(i * PAGE) == i as u64 + 1);
    tap.ok(intact, "and the first one what it had");
    tap.is(pages.protect(0, PAGES * PAGE, abi::PROT_READ), Ok(()), "read-only memory");
    tap.is(child(|| pages.put(0, 1)), SEGV, "stays read-only in a child");
}

fn large(tap: &mut Tap) {
    const LARGE: usize = 16 << 20;
    let Ok(pages) = Mapping::anonymous(LARGE) else {
        tap.ok(false, "mmap of 16 MiB");
        return;
    };
    for at in (0..LARGE).step_by(PAGE) {
        pages.put_word(at, at as u64 ^ 0x55);
    }
    let kept = (0..LARGE).step_by(PAGE).all(|at| pages.word(at) == at as u64 ^ 0x55);
    tap.ok(kept, "16 MiB, a word a page");
    tap.is(pages.unmap(), Ok(()), "and unmapped");
}
