//! Stopped processes, and going on (Linux: `prepare_signal`, `do_signal_stop` and `do_notify_parent_cldstop` in
//! `kernel/signal.c`).
//!
//! A thread stops only on its way to user space, like it ends: there it holds nothing. A call that sleeps is
//! interrupted first and made again afterwards. The parent is told when the first thread stops.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use super::group::Process;
use super::signal::queue::Taken;
use super::signal::{self, IGNORE, Info, SA_NOCLDSTOP, SIGCHLD, SIGCONT, SIGSTOP, STOPS, bit};
use super::thread::Thread;
use super::{exit, tree};
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

/// The status word of a process that goes on.
pub const CONTINUED: u32 = 0xffff;

/// The status word of a process that a signal stopped.
pub const fn stopped_by(signal: u32) -> u32 {
    signal << 8 | 0x7f
}

/// Whether a process is stopped, and what its parent has not seen of that yet.
#[derive(Default)]
pub struct Stop {
    /// The signal that stopped it; 0 while it runs. Changed under the process' signals.
    by: AtomicU32,
    /// The status word to be seen; 0 for none.
    news: AtomicU32,
    resumed: WaitQueue,
}

impl Stop {
    /// Whether the process is stopped.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.by.load(Ordering::Acquire) != 0
    }

    /// Stops it from here on. Called with the process' signals locked.
    pub(super) fn begin(&self, signal: u32) {
        self.by.store(signal, Ordering::Release);
    }

    /// Ends the stop; whether there was one.
    fn end(&self) -> bool {
        let was = self.by.swap(0, Ordering::AcqRel) != 0;
        self.resumed.wake_all();
        was
    }

    /// The status word that `wanted` accepts, if there is news; forgotten when it is taken.
    pub(super) fn news(&self, take: bool, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let news = self.news.load(Ordering::Acquire);
        if news == 0 || !wanted(news) {
            return None;
        }
        if take {
            let _ = self.news.compare_exchange(news, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        Some(news)
    }
}

/// What sending `signal` does before anything else, whether it is blocked, ignored or caught: SIGCONT and the
/// signals that stop take each other back, and SIGCONT lets a stopped process go on.
pub(super) fn prepare(process: &Process, signal: u32) {
    let (back, goes_on) = match signal {
        SIGCONT => (STOPS, true),
        1..64 if STOPS & bit(signal) != 0 => (bit(SIGCONT), false),
        _ => return,
    };
    let threads = signal::threads(process);
    let signals = process.signals.lock();
    process.pending.fetch_and(!back, Ordering::AcqRel);
    for thread in &threads {
        thread.pending.fetch_and(!back, Ordering::AcqRel);
    }
    let went_on = goes_on && process.stop.end();
    drop(signals);
    if went_on {
        tell_parent(process, CONTINUED);
    }
}

/// Goes through with a stop that has [begun](Stop::begin): unless it came from the terminal and nobody is there to
/// let the process go on again, for then it is taken back.
pub(super) fn announce(thread: &Thread, signal: u32) {
    let process = thread.process();
    if signal != SIGSTOP {
        let tree = tree::lock();
        if tree.node(process.pid()).is_some_and(|node| tree.is_orphaned_group(node.pgid)) {
            drop(tree);
            process.stop.end();
            return;
        }
    }
    exit::others(thread).iter().for_each(|other| other.kick());
    tell_parent(process, stopped_by(signal));
}

/// Waits in a stopped process until it goes on or is killed.
pub(super) fn wait(thread: &Thread) {
    let stop = &thread.process().stop;
    let _ = stop.resumed.wait_interruptible(Interruptible::Killable, || (!stop.is_on()).then_some(()));
}

/// Leaves the news for the parent to see, and tells it, if it wants to know.
fn tell_parent(process: &Process, word: u32) {
    const CLD_STOPPED: i32 = 5;
    const CLD_CONTINUED: i32 = 6;
    process.stop.news.store(word, Ordering::Release);
    let parent = {
        let tree = tree::lock();
        let parent = tree.node(process.pid()).and_then(|node| tree.node(node.parent));
        parent.map(|node| node.process.clone())
    };
    let Some(parent) = parent else { return };
    let action = parent.signals.lock().action(SIGCHLD);
    if action.handler != IGNORE && action.flags & SA_NOCLDSTOP == 0 {
        let code = if word == CONTINUED { CLD_CONTINUED } else { CLD_STOPPED };
        let info = Info { signal: SIGCHLD, code, detail: u64::from(process.pid()) };
        let value = if word == CONTINUED { SIGCONT } else { word >> 8 };
        signal::send_process_with(&parent, Taken { info, value: u64::from(value) });
    }
    parent.children.wake_all();
}
