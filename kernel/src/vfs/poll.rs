//! Waiting for any of several files to become ready.
//!
//! One queue for all: whoever changes a file's readiness wakes everyone who polls, and they look again. Models
//! `fs/select.c` without its queue per file.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

static POLLERS: WaitQueue = WaitQueue::new();

/// Some file's readiness has changed. From any context that holds no lock of a wait queue's rank or above.
pub fn changed() {
    POLLERS.wake_all();
}

/// Sleeps until `ready` says how many files are, or until the deadline, in nanoseconds since boot: then it is 0.
/// `ready` must not sleep. `EINTR`.
pub fn wait(deadline: Option<u64>, mut ready: impl FnMut() -> usize) -> Result<usize> {
    let some = || Some(ready()).filter(|&n| n > 0);
    match POLLERS.wait_with(Interruptible::Yes, deadline, some) {
        Err(Errno::ETIMEDOUT) => Ok(0),
        outcome => outcome,
    }
}
