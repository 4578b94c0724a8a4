//! `/bin/lendtest`: memory that user space has on loan from a contiguous region, and what happens when a buffer needs it:
//! pages move, contents stay, whoever writes to them meanwhile. TAP. For a machine of several CPUs.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy};
use userland::rt::job::pipe;
use userland::rt::tap::Tap;
use userland::rt::thread::Thread;
use userland::rt::{Args, Fd, Mapping, Status, abi, file, process};

userland::program!(run);

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
const WRITERS: usize = 3;
/// What each writer has at a time, in bytes.
const WRITTEN: usize = 4 * MIB;
/// How many pages are written to all the time, fewer than any CPU remembers.
const HOT: usize = 32;
/// How often they are moved.
const HOT_ROUNDS: usize = 4;
/// What who maps and forks has at a time, in bytes.
const CHURNED: usize = MIB;
/// How often the region is asked for while they do.
const ROUNDS: usize = 6;

fn run(args: Args) -> i32 {
    if args.get(1) == Some("churn") {
        return churn(args.number(2, 1).unwrap_or(1) as i32);
    }
    tidy::run(|tap| {
        contents_stay(tap);
        nowhere_to_go(tap);
        written_while_they_move(tap);
        others_go_on(tap);
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
    damaged_in(mapping, 0..mapping.length())
}

/// How many of those of a range of bytes.
fn damaged_in(mapping: &Mapping, bytes: Range<usize>) -> usize {
    bytes.step_by(PAGE).filter(|&at| mapping.word(at) != mark(at / PAGE)).count()
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
    let Ok(filled) = fill((memory("MemFree") - 10 * MIB) / PAGE * PAGE) else {
        tap.ok(false, "memory, filled");
        return;
    };
    let lent = region("lent");
    tap.ok(lent > all / 2, "user memory has most of the region");
    tap.is(memory("CmaFree"), (all - lent) * PAGE, "and the rest is free");
    tap.is(region("used"), 0, "no buffer has any");
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
    tap.is((region("moved") - moved, memory("CmaFree")), (lent, 0), "for all of it was moved");
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

/// All memory is taken: what a buffer needs cannot move.
fn nowhere_to_go(tap: &mut Tap) {
    let all = region("count");
    let Ok(heap) = Heap::open("default_cma_region") else { return };
    let Ok(filled) = fill((memory("MemFree") - 8 * MIB) / PAGE * PAGE) else { return };
    let had = || heap.allocate(all * PAGE).map(drop);
    tap.is((had(), had()), (Err(Errno::ENOMEM), Err(Errno::ENOMEM)), "no buffer where memory is full");
    tap.is((region("used"), damaged(&filled)), (0, 0), "contents stay, and nothing is kept of the region");
    tap.is(heap.allocate(MIB / 4).map(drop), Ok(()), "a small one can be had");
    tap.is(damaged(&filled), 0, "contents stay");
    // The first half is not on loan, for the most part.
    let half = filled.length() / 2 / PAGE * PAGE;
    tap.is(filled.punch(0, half), Ok(()), "some is let go");
    tap.is(had(), Ok(()), "a buffer of all the region");
    tap.is(damaged_in(&filled, half..filled.length()), 0, "contents stay");
}

/// What a writer is told and tells.
#[derive(Default)]
struct Work {
    stop: AtomicBool,
    passes: AtomicUsize,
    damaged: AtomicUsize,
}

/// One thread writes to a few pages all the time, and never lets go of one: a CPU that goes on writing to where they
/// were has nothing to make it forget that but the move itself.
fn written_while_they_move(tap: &mut Tap) {
    for round in 1..=HOT_ROUNDS {
        let written = written_meanwhile();
        let all_moved = written.as_ref().map(|written| written.moved == HOT).map_err(|e| *e);
        tap.is(all_moved, Ok(true), format!("pages that are written to all the time move, round {round}"));
        tap.is(written.map(|written| written.lost), Ok(Status::Exited(0)), "and have what was written last");
    }
    let _ = process::set_affinity(u64::MAX);
}

/// What became of pages that moved under a writer: how many moved, and how a process ended whose status is how many
/// lack what was written last.
struct Written {
    moved: usize,
    lost: Status,
}

fn written_meanwhile() -> Result<Written> {
    let heap = Heap::open("default_cma_region")?;
    let elsewhere = memory("MemFree") - memory("CmaFree");
    // As much is left there as in the region, and less than that: what is written comes from both.
    let _ballast = fill((elsewhere - 12 * MIB) / PAGE * PAGE)?;
    let mapping = Mapping::anonymous(WRITTEN)?;
    let hot = on_loan(&mapping);
    let (shared, work) = (Arc::new((mapping, hot)), Arc::new(Work::default()));
    process::set_affinity(1 << 1)?;
    let writer = {
        let (shared, work) = (shared.clone(), work.clone());
        Thread::spawn(0, move || {
            let _ = process::set_affinity(1 << 0);
            let (mapping, hot) = &*shared;
            while !work.stop.load(Ordering::Relaxed) {
                let pass = work.passes.load(Ordering::Relaxed) + 1;
                hot.iter().for_each(|&at| mapping.put_word(at, pass as u64));
                work.passes.store(pass, Ordering::Release);
            }
        })?
    };
    let wait_for = |passes| {
        while work.passes.load(Ordering::Acquire) < passes {
            process::give_way();
        }
    };
    wait_for(2);
    let before = region("moved");
    let buffer = heap.allocate(region("count") * PAGE);
    wait_for(work.passes.load(Ordering::Acquire) + 2);
    work.stop.store(true, Ordering::Relaxed);
    drop(writer);
    buffer.map(drop)?;
    let (moved, last) = (region("moved") - before, work.passes.load(Ordering::Acquire) as u64);
    // A CPU that looked before may remember where they were; a new process knows only where they are.
    let (mapping, hot) = &*shared;
    let lost = process::in_child(|| hot.iter().filter(|&&at| mapping.word(at) != last).count() as i32)?;
    Ok(Written { moved: moved.min(hot.len()), lost })
}

/// Where the first [`HOT`] pages of a mapping are that are in the region.
fn on_loan(mapping: &Mapping) -> Vec<usize> {
    let lent = |&at: &usize| {
        let before = region("lent");
        mapping.put_word(at, 0);
        region("lent") > before
    };
    (0..mapping.length()).step_by(PAGE).filter(lent).take(HOT).collect()
}

/// Maps, writes, looks and unmaps until told to stop.
fn write(work: &Work) {
    while !work.stop.load(Ordering::Relaxed) {
        let Ok(mapping) = fill(WRITTEN) else {
            process::give_way();
            continue;
        };
        for pass in 1..3u64 {
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

/// The program that maps, forks, protects and unmaps, its code on loan as its data is: a byte to `tick` for each time
/// round, until nobody reads them, which is SIGPIPE. Ends before where something is not as it was left.
fn churn(tick: i32) -> i32 {
    loop {
        match churn_once() {
            Ok(true) => {
                let _ = file::write(tick, &[0]);
            }
            Ok(false) => return 1,
            // No memory just now.
            Err(_) => process::give_way(),
        }
    }
}

fn churn_once() -> Result<bool> {
    let mapping = fill(CHURNED)?;
    let child = process::in_child(|| {
        let failed = damaged(&mapping) != 0;
        (0..CHURNED / 2).step_by(PAGE).for_each(|at| mapping.put_word(at, 0));
        i32::from(failed)
    })?;
    mapping.protect(0, CHURNED, abi::PROT_READ)?;
    let after_child = damaged(&mapping);
    mapping.protect(0, CHURNED, abi::PROT_RW)?;
    (0..CHURNED).step_by(PAGE).for_each(|at| mapping.put_word(at, mark(at / PAGE)));
    mapping.punch(CHURNED / 4, CHURNED / 2)?;
    let rest = [0..CHURNED / 4, CHURNED * 3 / 4..CHURNED].map(|bytes| damaged_in(&mapping, bytes));
    Ok(child == Status::Exited(0) && after_child == 0 && rest == [0, 0])
}

fn others_go_on(tap: &mut Tap) {
    let (Ok(go), Ok(tick)) = (pipe(), pipe()) else { return };
    let churner = process::spawn(|| {
        drop(Fd::from_raw(go.1.raw()));
        let _ = file::read(go.0.raw(), &mut [0]);
        // A copy stays open across it.
        let Ok(fd) = file::dup(tick.1.raw()) else { return 1 };
        let fd = format!("{fd}");
        process::execute("/bin/lendtest", &["lendtest", "churn", &fd]);
        1
    });
    // In a process of its own: how it lies in memory depends on how its threads ran.
    let status = process::in_child(|| {
        // Else nobody would hear that the last one to write is gone.
        drop(Fd::from_raw(tick.1.raw()));
        had_under_others(go.1.raw(), tick.0.raw()).map_or(9, |failed| failed)
    });
    tap.is(status, Ok(Status::Exited(0)), "the region is had again and again from under who write and fork");
    drop((go, tick));
    let churner = churner.and_then(process::wait).map(|(_, status)| status);
    tap.is(churner, Ok(Status::Killed(abi::SIGPIPE)), "of whom nobody finds anything changed");
}

/// Has the region from under threads that write, and a process that forks once it is told to `go`: 0, or the number of
/// what failed.
fn had_under_others(go: i32, tick: i32) -> Result<i32> {
    let heap = Heap::open("default_cma_region")?;
    // So little is left besides that they get pages of the region, and so much that these can move.
    let elsewhere = memory("MemFree") - memory("CmaFree");
    let ballast = fill((elsewhere - 40 * MIB) / PAGE * PAGE)?;
    let work = Arc::new(Work::default());
    let start = |n: usize| {
        let work = work.clone();
        Thread::spawn(n, move || write(&work))
    };
    let writers = (0..WRITERS).map(start).collect::<Result<Vec<_>>>()?;
    let _ = file::write(go, &[0]);
    let outcome = rounds(&heap, &work, tick);
    work.stop.store(true, Ordering::Relaxed);
    drop(writers);
    let failures = [(work.damaged.load(Ordering::Relaxed) != 0, 3), (damaged(&ballast) != 0, 4)];
    Ok(failures.into_iter().find(|(failed, _)| *failed).map_or(outcome?, |(_, number)| number))
}

fn rounds(heap: &Heap, work: &Work, tick: i32) -> Result<i32> {
    let (all, moved) = (region("count"), region("moved"));
    let mut dirty = 0;
    for _ in 0..ROUNDS {
        // They have had the region, again.
        let before = work.passes.load(Ordering::Acquire);
        while work.passes.load(Ordering::Acquire) < before + WRITERS {
            process::give_way();
        }
        if file::read(tick, &mut [0])? != 1 {
            return Ok(5);
        }
        let buffer = heap.allocate(all * PAGE)?;
        let mapping = buffer.map()?;
        dirty += (0..all).filter(|page| mapping.word(page * PAGE) != 0).count();
        (0..all).for_each(|page| mapping.put_word(page * PAGE, u64::MAX));
    }
    Ok(match (dirty, region("moved") - moved) {
        (0, 0) => 2,
        (0, _) => 0,
        _ => 1,
    })
}
