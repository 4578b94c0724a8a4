//! Clocks and sleeping (Linux: `kernel/time`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::arch;
use crate::mm::user;
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

const NS: u64 = 1_000_000_000;

/// The time of day at boot, in nanoseconds since 1970.
static BOOT_TIME: AtomicU64 = AtomicU64::new(0);

/// Says what the time of day was at boot, in nanoseconds since 1970.
pub fn set_boot_time(ns: u64) {
    BOOT_TIME.store(ns, Ordering::Relaxed);
}

/// The time of day at boot, in nanoseconds since 1970.
pub fn boot_time() -> u64 {
    BOOT_TIME.load(Ordering::Relaxed)
}

/// `struct timespec`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Timespec {
    sec: i64,
    nsec: i64,
}

impl Timespec {
    /// Nanoseconds; more than fit are all that fit. `EINVAL`.
    pub fn to_ns(self) -> Result<u64> {
        if self.sec < 0 || !(0..NS as i64).contains(&self.nsec) {
            return Err(Errno::EINVAL);
        }
        Ok((self.sec as u64).saturating_mul(NS).saturating_add(self.nsec as u64))
    }

    fn from_ns(ns: u64) -> Timespec {
        Timespec { sec: (ns / NS) as i64, nsec: (ns % NS) as i64 }
    }
}

/// When `ns` nanoseconds from now have passed.
pub fn after(ns: u64) -> u64 {
    arch::now_ns().saturating_add(ns)
}

/// The monotonic time of a time of day.
pub fn monotonic_of(realtime: u64) -> u64 {
    realtime.saturating_sub(BOOT_TIME.load(Ordering::Relaxed))
}

/// A clock that can be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Realtime,
    Monotonic,
}

impl Clock {
    /// `EINVAL` for clocks that are not kept: CPU time, and alarms.
    fn from_raw(id: u32) -> Result<Clock> {
        match id {
            // REALTIME, REALTIME_COARSE, TAI.
            0 | 5 | 11 => Ok(Clock::Realtime),
            // MONOTONIC, MONOTONIC_RAW, MONOTONIC_COARSE, BOOTTIME.
            1 | 4 | 6 | 7 => Ok(Clock::Monotonic),
            _ => Err(Errno::EINVAL),
        }
    }

    fn now(self) -> u64 {
        match self {
            Clock::Realtime => BOOT_TIME.load(Ordering::Relaxed) + arch::now_ns(),
            Clock::Monotonic => arch::now_ns(),
        }
    }
}

/// `clock_gettime`.
pub fn sys_clock_gettime(id: u32, to: u64) -> Result<usize> {
    user::write(to, &Timespec::from_ns(Clock::from_raw(id)?.now())).map(|()| 0)
}

/// `clock_getres`.
pub fn sys_clock_getres(id: u32, to: u64) -> Result<usize> {
    Clock::from_raw(id)?;
    if to != 0 {
        user::write(to, &Timespec { sec: 0, nsec: 1 })?;
    }
    Ok(0)
}

/// `gettimeofday`; the time zone is zero.
pub fn sys_gettimeofday(to: u64, zone: u64) -> Result<usize> {
    let Timespec { sec, nsec } = Timespec::from_ns(Clock::Realtime.now());
    if to != 0 {
        user::write(to, &[sec, nsec / 1000])?;
    }
    if zone != 0 {
        user::write(zone, &[0i32; 2])?;
    }
    Ok(0)
}

/// `times`: hundredths of seconds since boot; CPU times are not kept and all zero.
pub fn sys_times(to: u64) -> Result<usize> {
    if to != 0 {
        user::write(to, &[0i64; 4])?;
    }
    Ok((arch::now_ns() / (NS / 100)) as usize)
}

/// `nanosleep`.
pub fn sys_nanosleep(request: u64, left: u64) -> Result<usize> {
    let ns = user::read::<Timespec>(request)?.to_ns()?;
    sleep(after(ns), left)
}

/// `clock_nanosleep`.
pub fn sys_clock_nanosleep(id: u32, flags: u32, request: u64, left: u64) -> Result<usize> {
    const TIMER_ABSTIME: u32 = 1;
    let clock = Clock::from_raw(id)?;
    let ns = user::read::<Timespec>(request)?.to_ns()?;
    match (flags & TIMER_ABSTIME != 0, clock) {
        (true, Clock::Realtime) => sleep(monotonic_of(ns), 0),
        (true, Clock::Monotonic) => sleep(ns, 0),
        _ => sleep(after(ns), left),
    }
}

/// Sleeps until the deadline; a signal ends it, and what is left is written to `left` unless that is null.
fn sleep(deadline: u64, left: u64) -> Result<usize> {
    let nobody = WaitQueue::new();
    match nobody.wait_with(Interruptible::Yes, Some(deadline), || None::<()>) {
        Err(Errno::EINTR) if left != 0 => {
            user::write(left, &Timespec::from_ns(deadline.saturating_sub(arch::now_ns())))?;
            Err(Errno::EINTR)
        }
        Err(Errno::EINTR) => Err(Errno::EINTR),
        _ => Ok(0),
    }
}
