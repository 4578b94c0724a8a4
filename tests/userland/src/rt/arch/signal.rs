//! Signal handlers that count.

use super::call;
use crate::rt::abi::nr;
use core::sync::atomic::{AtomicU32, Ordering};
use heaps::uapi::errno::Result;

const SIGNALS: usize = 64;

static COUNTS: [AtomicU32; SIGNALS] = [const { AtomicU32::new(0) }; SIGNALS];

/// What is done about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What is usual.
    Default,
    /// Nothing.
    Ignore,
    /// A handler counts it; the call it interrupts is made again, or not.
    Count {
        /// `SA_RESTART`.
        restart: bool,
    },
}

extern "C" fn count(signal: i32) {
    COUNTS[signal as usize % SIGNALS].fetch_add(1, Ordering::Relaxed);
}

/// rt_sigaction.
pub fn act(signal: u8, action: Action) -> Result<()> {
    const SA_RESTART: usize = 0x1000_0000;
    let (handler, flags) = match action {
        Action::Default => (0, 0),
        Action::Ignore => (1, 0),
        Action::Count { restart } => {
            (count as extern "C" fn(i32) as usize, if restart { SA_RESTART } else { 0 })
        }
    };
    let action = [handler, flags, 0, 0];
    // SAFETY: the kernel reads the action; the handler only touches an atomic of its own.
    unsafe { call(nr::RT_SIGACTION, [signal.into(), &raw const action as usize, 0, 8, 0, 0]) }.map(drop)
}

/// How often a signal was counted since it was asked last.
pub fn counted(signal: u8) -> u32 {
    COUNTS[usize::from(signal) % SIGNALS].swap(0, Ordering::Relaxed)
}

/// Blocks the signals of a set, bit n-1 for signal n, and no others.
pub fn block(set: u64) -> Result<()> {
    const SIG_SETMASK: usize = 2;
    // SAFETY: the kernel reads one word.
    unsafe { call(nr::RT_SIGPROCMASK, [SIG_SETMASK, &raw const set as usize, 0, 8, 0, 0]) }.map(drop)
}
