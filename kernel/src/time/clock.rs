//! The machine's clocks: monotonic since boot, and the time of day, which can be set (Linux:
//! `kernel/time/timekeeping.c`). All in nanoseconds.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch::now_ns;
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

use heaps::{Errno, Result};

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;
/// How far apart the values of the coarse clocks are.
pub const COARSE_NS: u64 = 4_000_000;

/// The time of day at boot, in nanoseconds since 1970.
static BOOT_TIME: AtomicU64 = AtomicU64::new(0);
/// How often the time of day was set.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// Those who wait for a time of day, woken when it is set.
static RECKONING: WaitQueue = WaitQueue::new();

/// What deadlines are counted by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Base {
    /// The monotonic clock.
    Monotonic,
    /// The time of day.
    Realtime,
}

impl Base {
    /// The time by this clock.
    pub fn now(self) -> u64 {
        self.of_monotonic(now_ns())
    }

    /// The time by this clock at a monotonic time.
    pub fn of_monotonic(self, at: u64) -> u64 {
        match self {
            Base::Monotonic => at,
            Base::Realtime => BOOT_TIME.load(Ordering::Relaxed).saturating_add(at),
        }
    }

    /// The monotonic time when this clock shows `at`, as things stand.
    pub fn to_monotonic(self, at: u64) -> u64 {
        match self {
            Base::Monotonic => at,
            Base::Realtime => at.saturating_sub(BOOT_TIME.load(Ordering::Relaxed)),
        }
    }
}

/// Sets the time of day. `EINVAL` where boot would have been before 1970.
pub fn try_set_realtime(ns: u64) -> Result<()> {
    let boot = ns.checked_sub(now_ns()).ok_or(Errno::EINVAL)?;
    BOOT_TIME.store(boot, Ordering::Relaxed);
    CHANGES.fetch_add(1, Ordering::Release);
    RECKONING.wake_all();
    super::timer::clock_was_set();
    super::timerfd::clock_was_set();
    Ok(())
}

/// Says what the time of day is. At boot.
pub fn set_realtime(ns: u64) {
    let _ = try_set_realtime(ns);
}

/// How often the time of day was set.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Acquire)
}

/// Sleeps until the clock shows `at`, however it is set meanwhile. `EINTR`.
pub fn sleep_until(base: Base, at: u64) -> Result<()> {
    loop {
        let seen = changes();
        let was_set = || (base == Base::Realtime && changes() != seen).then_some(());
        match RECKONING.wait_with(Interruptible::Yes, Some(base.to_monotonic(at)), was_set) {
            Ok(()) => {}
            Err(Errno::ETIMEDOUT) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}
