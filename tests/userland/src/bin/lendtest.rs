//! `/bin/lendtest`: memory that user space has on loan from a contiguous region, and what happens when a buffer needs it:
//! pages move, contents stay, whoever writes to them meanwhile. TAP. For a machine of several CPUs.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy};
use userland::rt::job::pipe;
use userland::rt::tap::Tap;
use userland::rt::thread::Thread;
use userland::rt::{Args, Mapping, Status, file, process};

userland::program!(run);

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
const WRITERS: usize = 3;
/// What each writer has at a time, in bytes.
const WRITTEN: usize = 6 * MIB;
/// How often the region is asked for while they write.
const ROUNDS: usize = 12;

fn run(_: Args) -> i32 {
    tidy::run(|tap| {
        contents_stay(tap);
        writers_go_on(tap);
    })
}

/// A number that the kernel tells about the region, in pages.
fn region(name: &str) -> usize {
    let text = read_text(&format!("/sys/kernel/debug/cma/reserved/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A line of `/proc/meminfo`, in bytes.
fn memory(name: &str) -> usize {
    let text = read_text("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn mark(page: usize) -> u64 {
    (page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// That much memory, each page marked.
fn fill(len: usize) -> Result<Mapping> {
    let mapping = Mapping::anonymous(len)?;
    (0..len / PAGE).for_each(|page| mapping.put_word(page * PAGE, mark(page)));
    Ok(mapping)
}

/// How many pages do not have their mark.
fn damaged(mapping: &Mapping) -> usize {
    (0..mapping.length() / PAGE).filter(|&page| mapping.word(page * PAGE) != mark(page)).count()
}

fn contents_stay(tap: &mut Tap) {
    let all = region("count");
    let Ok(heap) = Heap::open("default_cma_region") else {
        tap.ok(false, "a contiguous heap");
        return;
    };
    tap.is(memory("CmaTotal"), all * PAGE, "the region's size");
    // First what is let go again, so that there is somewhere to move to; then all else, but for some MiB.
    let room = Mapping::anonymous(all * PAGE + 16 * MIB);
    let Ok(room) = room.inspect(Mapping::touch) else { return };
    let rest = memory("MemFree") + memory("CmaFree");
    let Ok(filled) = fill((rest - 10 * MIB) / PAGE * PAGE) else {
        tap.ok(false, "memory, filled");
        return;
    };
    tap.ok(region("lent") > all * 8 / 10, "user memory has most of the region");
    tap.is(region("used"), 0, "which counts as free");
    // Before there is a child, who would have it still.
    drop(room);
    let (Ok(parent), Ok(child)) = (pipe(), pipe()) else { return };
    let sharer = process::spawn(|| {
        let mut byte = [0];
        // Half of it is shared still when it moves, and written to after.
        if file::read(parent.0.raw(), &mut byte) != Ok(1) || damaged(&filled) != 0 {
            return 1;
        }
        (0..512).for_each(|page| filled.put_word(page * PAGE, 0));
        let _ = file::write(child.1.raw(), &[0]);
        0
    });
    let moved = region("moved");
    let buffer = heap.allocate(all * PAGE);
    tap.is(buffer.as_ref().map(drop).map_err(|e| *e), Ok(()), "a buffer of all the region");
    tap.is((region("lent"), region("used")), (0, all), "nothing of it is lent any more");
    tap.ok(region("moved") - moved > all * 8 / 10, "for it was moved");
    tap.is(damaged(&filled), 0, "contents stay");
    if let Ok(mapping) = buffer.as_ref().map_err(|e| *e).and_then(Buffer::map) {
        let dirty = (0..all).filter(|page| mapping.word(page * PAGE) != 0).count();
        tap.is(dirty, 0, "and the buffer has none of them");
        (0..all).for_each(|page| mapping.put_word(page * PAGE, u64::MAX));
    }
    tap.is(damaged(&filled), 0, "what is written to the buffer is the buffer's");
    let _ = file::write(parent.1.raw(), &[0]);
    let _ = file::read(child.0.raw(), &mut [0]);
    tap.is(damaged(&filled), 0, "what a child shares and writes to is its own");
    tap.is(sharer.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "whose contents stayed, too");
    drop(buffer);
    drop(filled);
    tap.is((region("lent"), region("used")), (0, 0), "all comes back");
}

/// What a writer is told and tells.
#[derive(Default)]
struct Work {
    stop: AtomicBool,
    passes: AtomicUsize,
    damaged: AtomicUsize,
}

/// Maps, writes, looks and unmaps until told to stop.
fn write(work: &Work) {
    while !work.stop.load(Ordering::Relaxed) {
        let Ok(mapping) = fill(WRITTEN) else { continue };
        for pass in 1..4u64 {
            for page in 0..WRITTEN / PAGE {
                let is = mapping.word(page * PAGE);
                if is != mark(page).wrapping_add(pass - 1) {
                    work.damaged.fetch_add(1, Ordering::Relaxed);
                }
                mapping.put_word(page * PAGE, mark(page).wrapping_add(pass));
            }
        }
        work.passes.fetch_add(1, Ordering::Release);
    }
}

fn writers_go_on(tap: &mut Tap) {
    // In a process of its own: how it lies in memory depends on how its threads ran.
    let status = process::in_child(|| had_under_writers().map_or(9, |failed| failed));
    tap.is(status, Ok(Status::Exited(0)), "the region is had again and again from under threads that write");
}

/// Has the region from under threads that write: 0, or the number of what failed.
fn had_under_writers() -> Result<i32> {
    let (all, free) = (region("count"), memory("MemFree"));
    let heap = Heap::open("default_cma_region")?;
    // So little is left besides that the writers get pages of the region, and so much that these can move.
    let ballast = fill((free - 24 * MIB - 2 * MIB) / PAGE * PAGE)?;
    let work = Arc::new(Work::default());
    let start = |n: usize| {
        let work = work.clone();
        Thread::spawn(n, move || write(&work))
    };
    let writers = (0..WRITERS).map(start).collect::<Result<Vec<_>>>()?;
    while work.passes.load(Ordering::Acquire) < WRITERS {
        process::give_way();
    }
    let moved = region("moved");
    let mut dirty = 0;
    for _ in 0..ROUNDS {
        let before = work.passes.load(Ordering::Acquire);
        let buffer = heap.allocate(all * PAGE)?;
        let mapping = buffer.map()?;
        dirty += (0..all).filter(|page| mapping.word(page * PAGE) != 0).count();
        (0..all).for_each(|page| mapping.put_word(page * PAGE, u64::MAX));
        drop((mapping, buffer));
        // They have had the region again.
        while work.passes.load(Ordering::Acquire) < before + WRITERS {
            process::give_way();
        }
    }
    work.stop.store(true, Ordering::Relaxed);
    drop(writers);
    let failures = [
        (dirty != 0, 1),
        (region("moved") == moved, 2),
        (work.damaged.load(Ordering::Relaxed) != 0, 3),
        (damaged(&ballast) != 0, 4),
    ];
    Ok(failures.into_iter().find(|(failed, _)| *failed).map_or(0, |(_, number)| number))
}
