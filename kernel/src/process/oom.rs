//! Where page frames run out: a process is chosen, killed, and its memory waited for (Linux: `mm/oom_kill.c`).
//!
//! The one with the most pages in place goes, what it says of itself in `oom_score_adj` added. Its memory is not taken
//! from under it: who needs a page waits until it has ended, but not for ever, for it may itself be waiting for a lock
//! of the waiter's. Then the next one goes.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use super::signal::{self, Info, SIGKILL};
use super::{Process, Thread, tree};
use crate::arch;
use crate::mm::aspace::Space;
use crate::mm::{AddressSpace, commit};
use crate::sync::wait::Interruptible;
use crate::sync::{Mutex, WaitQueue, order};

/// With this in `oom_score_adj`, a process is never chosen.
pub const NEVER: i32 = -1000;
/// With this, before all that have less.
pub const FIRST: i32 = 1000;

/// How long one that was killed may take to end before another is, in nanoseconds.
const PATIENCE: u64 = 2_000_000_000;
/// How often it is looked after, in nanoseconds.
const INTERVAL: u64 = 1_000_000;

/// Waits for memory that somebody who was killed gives back, and kills somebody if nobody was. `false` where the
/// calling `thread` is to end itself, or there is nobody to kill. May sleep; the caller holds no lock of rank OOM or
/// above.
pub fn make_room(thread: &Thread) -> bool {
    if thread.is_killed() {
        return false;
    }
    if !kill_somebody(thread) {
        return false;
    }
    static NOBODY: WaitQueue = WaitQueue::new();
    let until = arch::now_ns() + INTERVAL;
    let _ = NOBODY.wait_with(Interruptible::Killable, Some(until), || None::<()>);
    !thread.is_killed()
}

/// Kills somebody, unless somebody who was killed ends or has ended meanwhile; `false` where there is nobody to kill. One
/// at a time: of two that run out together, the second waits for what the first has chosen.
fn kill_somebody(thread: &Thread) -> bool {
    static TURN: Mutex<(), { order::OOM }> = Mutex::new(());
    let _turn = TURN.lock();
    if somebody_ends() || commit::admit(1).is_ok() {
        return true;
    }
    let Some(chosen) = choose() else { return false };
    log::warn!("{} invoked oom-killer: oom_score_adj={}", name(thread.process()), adj(thread.process()));
    chosen.kill();
    true
}

/// How likely a process is to be chosen, as `/proc/PID/oom_score` has it: 667 with neither memory nor a word of its own.
pub fn score(process: &Process) -> i64 {
    let total = commit::total() as i64;
    badness(process).map_or(0, |badness| (1000 + badness * 1000 / total) * 2 / 3)
}

/// What a process says in `oom_score_adj`.
pub fn adj(process: &Process) -> i32 {
    process.attributes().oom_score_adj.load(Ordering::Relaxed)
}

/// A process that may be killed, and its memory.
struct Candidate {
    process: Arc<Process>,
    space: Weak<Space>,
    badness: i64,
}

impl Candidate {
    /// Kills it, and whoever else uses its memory.
    fn kill(&self) {
        let (mapped, present) = self.space.upgrade().map_or((0, 0), |space| space.lock().usage());
        log::error!(
            "Out of memory: Killed process {} ({}) total-vm:{}kB, rss:{}kB, UID:{} oom_score_adj:{}",
            self.process.pid(),
            name(&self.process),
            mapped / 1024,
            present / 1024,
            self.process.creds().user.real,
            adj(&self.process)
        );
        for process in all().filter(|process| space(process).is_some_and(|other| other.ptr_eq(&self.space))) {
            process.attributes().oom_killed.store(arch::now_ns(), Ordering::Relaxed);
            signal::send_process(&process, Info { signal: SIGKILL, code: signal::SI_KERNEL, detail: 0 });
        }
    }
}

/// Whether somebody who was killed for memory has not given it back yet, and may still do so. A thread that has none any more
/// may be giving its pages back, one after the other; once it is no thread of the process any more, it has.
fn somebody_ends() -> bool {
    let oldest = arch::now_ns().saturating_sub(PATIENCE);
    let has_threads = |pid| tree::lock().node(pid).is_some_and(|node| !node.threads.is_empty());
    all().any(|process| {
        process.attributes().oom_killed.load(Ordering::Relaxed) > oldest && has_threads(process.pid())
    })
}

/// Who is to go; of several as bad, the last.
fn choose() -> Option<Candidate> {
    let candidates = all().filter_map(|process| {
        // Its time is over: its memory does not come back.
        if process.attributes().oom_killed.load(Ordering::Relaxed) != 0 {
            return None;
        }
        let (badness, space) = (badness(&process)?, space(&process)?);
        Some(Candidate { process, space, badness })
    });
    candidates.max_by_key(|candidate| candidate.badness)
}

/// Pages, made more or fewer by thousandths of all there are; `None` for one that must not be killed. May sleep.
fn badness(process: &Process) -> Option<i64> {
    let space = space(process)?;
    if process.pid() == tree::INIT || adj(process) == NEVER || is_inits(&space) {
        return None;
    }
    let (_, present) = space.upgrade()?.lock().usage();
    let total = commit::total() as i64;
    Some((present / heaps::PAGE_SIZE) as i64 + i64::from(adj(process)) * (total / 1000))
}

/// Whether init uses this memory, too.
fn is_inits(of: &Weak<Space>) -> bool {
    let init = tree::lock().node(tree::INIT).map(|node| node.process.clone());
    init.and_then(|init| space(&init)).is_some_and(|init| init.ptr_eq(of))
}

/// A process' memory, while one of its threads has it.
fn space(process: &Process) -> Option<Weak<Space>> {
    let tree = tree::lock();
    tree.node(process.pid())?.threads.iter().find_map(|thread| thread.with_mm(AddressSpace::space))
}

/// Everybody, by number. Whoever comes or goes meanwhile may be missed.
fn all() -> impl Iterator<Item = Arc<Process>> {
    let mut from = 0;
    core::iter::from_fn(move || {
        let process = tree::lock().next_node(from).map(|node| node.process.clone())?;
        from = process.pid() + 1;
        Some(process)
    })
}

fn name(process: &Process) -> String {
    String::from_utf8_lossy(&process.program().comm).into_owned()
}
