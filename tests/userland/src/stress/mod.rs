//! The stress of heaps from many threads: what `/bin/stress` runs in its child.

mod slot;
mod tally;
mod worker;

use crate::guest::oracle;
use crate::rt::{Thread, process, time};
use crate::{complain, say};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use slot::Slots;
use tally::Tally;
use worker::Worker;

/// What to do.
pub struct Plan {
    /// For how long.
    pub seconds: u64,
    /// In how many threads; each is bound to a CPU, as far as there are enough.
    pub threads: usize,
    /// Where the threads' generators start.
    pub seed: u64,
}

/// What the threads share.
struct Shared {
    slots: Slots,
    tally: Tally,
    stop: AtomicBool,
}

/// Seconds between two lines of progress.
const PROGRESS: u64 = 5;

/// Runs the plan in this process: its exit status, 0 when nothing unexpected came up.
pub fn run(plan: &Plan) -> i32 {
    let shared =
        Arc::new(Shared { slots: Slots::new(), tally: Tally::default(), stop: AtomicBool::new(false) });
    let cpus: Vec<u32> =
        process::affinity().map_or(Vec::new(), |mask| (0..64).filter(|cpu| mask >> cpu & 1 == 1).collect());
    let known = oracle::reports().map_or(0, |reports| reports.len());
    let mut threads = Vec::new();
    for i in 0..plan.threads {
        let (shared, seed) = (shared.clone(), plan.seed.wrapping_add(i as u64));
        let cpu = (!cpus.is_empty()).then(|| cpus[i % cpus.len()]);
        say!("stress: thread {i} on CPU {cpu:?}, seed {seed}");
        match Thread::spawn(i, move || Worker::new(&shared, seed, cpu).run()) {
            Ok(thread) => threads.push(thread),
            Err(e) => {
                complain!("stress: clone: {e}");
                process::exit_group(1)
            }
        }
    }
    let reported = supervise(plan, &shared, known);
    shared.stop.store(true, Ordering::Relaxed);
    if reported {
        // A thread may have died of it with a lock held; waiting for the others could take for ever.
        say!("stress: the kernel reported something, ending early");
        shared.tally.print();
        return 1;
    }
    threads.into_iter().for_each(Thread::join);
    shared.slots.unload_all(&shared.tally);
    shared.tally.print();
    i32::from(shared.tally.unexpected() > 0)
}

/// Waits for the plan's end and prints progress: whether a report came in between.
fn supervise(plan: &Plan, shared: &Shared, known: usize) -> bool {
    let start = time::now();
    let mut told = 0;
    loop {
        let _ = time::sleep(100 * time::MS);
        let elapsed = (time::now() - start) / (1000 * time::MS);
        let reports = oracle::reports().map_or(known, |reports| reports.len());
        if elapsed >= told + PROGRESS || reports != known {
            told = elapsed;
            let (done, odd) = (shared.tally.done(), shared.tally.unexpected());
            say!("stress: {elapsed} s, {done} calls, {odd} unexpected, {} reports", reports - known);
        }
        if reports != known || elapsed >= plan.seconds {
            return reports != known;
        }
    }
}
