//! Clocks and sleeping. Models `kernel/time/posix-timers.c`, `hrtimer.c`, `time.c`.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::arch;
use crate::mm::user;
use crate::process::Thread;
use crate::process::clockid::ClockId;
use crate::process::thread::RestartBlock;
use crate::time::clock::{self, Base, NS_PER_S as NS};
use crate::time::cpu::Usage;

/// Seconds from which on a time of day cannot be set (Linux: `TIME_SETTOD_SEC_MAX`, 30 years before the end of
/// 64 bits of nanoseconds).
const SETTABLE_S: i64 = i64::MAX / NS as i64 - 30 * 365 * 24 * 3600;
/// How many times a second `times` counts (`USER_HZ`).
const USER_HZ: u64 = 100;

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
        let ns = (self.sec as u64).saturating_mul(NS).saturating_add(self.nsec as u64);
        Ok(ns.min(i64::MAX as u64))
    }

    /// So many nanoseconds.
    pub fn from_ns(ns: u64) -> Timespec {
        Timespec { sec: (ns / NS) as i64, nsec: (ns % NS) as i64 }
    }
}

/// `struct timeval`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Timeval {
    sec: i64,
    usec: i64,
}

impl Timeval {
    /// Nanoseconds; more than fit are all that fit. `EINVAL`.
    pub fn to_ns(self) -> Result<u64> {
        if !(0..1_000_000).contains(&self.usec) {
            return Err(Errno::EINVAL);
        }
        Timespec { sec: self.sec, nsec: self.usec * 1000 }.to_ns()
    }

    /// So many nanoseconds, cut to microseconds.
    pub fn from_ns(ns: u64) -> Timeval {
        Timeval { sec: (ns / NS) as i64, usec: (ns % NS / 1000) as i64 }
    }
}

/// When `ns` nanoseconds from now have passed.
pub fn after(ns: u64) -> u64 {
    arch::now_ns().saturating_add(ns)
}

/// `clock_gettime`. `EINVAL`, `EFAULT`.
pub fn sys_clock_gettime(thread: &Thread, id: u32, to: u64) -> Result<usize> {
    user::write(to, &Timespec::from_ns(ClockId::from_raw(thread, id)?.now())).map(|()| 0)
}

/// `clock_getres`. `EINVAL`, `EFAULT`.
pub fn sys_clock_getres(thread: &Thread, id: u32, to: u64) -> Result<usize> {
    let resolution = ClockId::from_raw(thread, id)?.resolution();
    if to != 0 {
        user::write(to, &Timespec::from_ns(resolution))?;
    }
    Ok(0)
}

/// `clock_settime`: the time of day alone. `EINVAL`, `EPERM` for CPU time by somebody's number, `EFAULT`.
pub fn sys_clock_settime(thread: &Thread, id: u32, from: u64) -> Result<usize> {
    match ClockId::from_raw(thread, id)? {
        ClockId::Machine(Base::Realtime) if id == 0 => {
            let time: Timespec = user::read(from)?;
            set_time(time)
        }
        ClockId::Process(..) | ClockId::Thread(..) if (id as i32) < 0 => {
            user::read::<Timespec>(from)?;
            Err(Errno::EPERM)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn set_time(time: Timespec) -> Result<usize> {
    if time.sec >= SETTABLE_S {
        return Err(Errno::EINVAL);
    }
    clock::try_set_realtime(time.to_ns()?).map(|()| 0)
}

/// The time zone that was set, `struct timezone`, minutes west below.
static ZONE: AtomicU64 = AtomicU64::new(0);

/// `gettimeofday`. `EFAULT`.
pub fn sys_gettimeofday(to: u64, zone: u64) -> Result<usize> {
    if to != 0 {
        user::write(to, &Timeval::from_ns(Base::Realtime.now()))?;
    }
    if zone != 0 {
        user::write(zone, &ZONE.load(Ordering::Relaxed))?;
    }
    Ok(0)
}

/// `settimeofday`. `EFAULT`, `EINVAL`.
pub fn sys_settimeofday(from: u64, zone: u64) -> Result<usize> {
    const MOST_MINUTES: i32 = 15 * 60;
    let time = if from != 0 { Some(user::read::<Timeval>(from)?) } else { None };
    // Linux lets a full million of microseconds through to the check of the whole, which refuses it.
    let time = time.map(|time| time.to_ns().map(Timespec::from_ns)).transpose()?;
    if zone != 0 {
        let [west, kind] = user::read::<[i32; 2]>(zone)?;
        if !(-MOST_MINUTES..=MOST_MINUTES).contains(&west) {
            return Err(Errno::EINVAL);
        }
        ZONE.store(u64::from(west as u32) | u64::from(kind as u32) << 32, Ordering::Relaxed);
    }
    time.map_or(Ok(0), set_time)
}

/// `times`: hundredths of seconds since boot, and the caller's and its children's. `EFAULT`.
pub fn sys_times(thread: &Thread, to: u64) -> Result<usize> {
    let process = thread.process();
    if to != 0 {
        let (own, children) = (process.cpu.split(process.usage()), process.cpu.children().split());
        let ticks = [own.0, own.1, children.0, children.1].map(|ns| ns / (NS / USER_HZ));
        user::write(to, &ticks)?;
    }
    Ok((arch::now_ns() / (NS / USER_HZ)) as usize)
}

/// `struct rusage`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub struct Rusage {
    user: Timeval,
    system: Timeval,
    max_rss: u64,
    /// Memory, faults, swaps, blocks, messages, signals: not accounted.
    other: [u64; 11],
    voluntary: u64,
    involuntary: u64,
}

impl Rusage {
    /// What was used, with its user and system parts in nanoseconds.
    pub fn new(usage: &Usage, (user, system): (u64, u64)) -> Rusage {
        Rusage {
            user: Timeval::from_ns(user),
            system: Timeval::from_ns(system),
            max_rss: 0,
            other: [0; 11],
            voluntary: usage.voluntary,
            involuntary: usage.involuntary,
        }
    }
}

/// `getrusage`. `EINVAL`, `EFAULT`.
pub fn sys_getrusage(thread: &Thread, who: i32, to: u64) -> Result<usize> {
    const CHILDREN: i32 = -1;
    const SELF: i32 = 0;
    const THREAD: i32 = 1;
    let account = &thread.process().cpu;
    let rusage = match who {
        SELF => {
            let usage = thread.process().usage();
            Rusage::new(&usage, account.split(usage))
        }
        CHILDREN => Rusage::new(&account.children(), account.children().split()),
        THREAD => {
            let usage = thread.cpu.usage(arch::now_ns);
            Rusage::new(&usage, usage.split())
        }
        _ => return Err(Errno::EINVAL),
    };
    user::write(to, &rusage).map(|()| 0)
}

/// `nanosleep`. `EFAULT`, `EINVAL`, `EINTR`. May sleep.
pub fn sys_nanosleep(thread: &Thread, request: u64, left: u64) -> Result<usize> {
    let until = after(user::read::<Timespec>(request)?.to_ns()?);
    sleep(thread, RestartBlock::Sleep { base: Base::Monotonic, until, left })
}

/// `clock_nanosleep`. `EOPNOTSUPP` for clocks that cannot be slept by, and as [`sys_nanosleep`].
pub fn sys_clock_nanosleep(thread: &Thread, id: u32, flags: u32, request: u64, left: u64) -> Result<usize> {
    const TIMER_ABSTIME: u32 = 1;
    let ClockId::Machine(base) = ClockId::from_raw(thread, id)?.for_timers()? else {
        return Err(Errno::EOPNOTSUPP);
    };
    let ns = user::read::<Timespec>(request)?.to_ns()?;
    if flags & TIMER_ABSTIME == 0 {
        return sleep(thread, RestartBlock::Sleep { base: Base::Monotonic, until: after(ns), left });
    }
    clock::sleep_until(base, ns).map(|()| 0)
}

/// Sleeps; a signal ends it, and what is left is written where that is wanted.
fn sleep(thread: &Thread, block: RestartBlock) -> Result<usize> {
    let RestartBlock::Sleep { base, until, left } = block else { return Err(Errno::EINTR) };
    let Err(interrupted) = clock::sleep_until(base, until) else { return Ok(0) };
    let still = until.saturating_sub(base.now());
    if still == 0 {
        return Ok(0);
    }
    if left != 0 {
        user::write(left, &Timespec::from_ns(still))?;
    }
    thread.restart_with(block);
    Err(interrupted)
}

/// `restart_syscall`: goes on with what a stop interrupted. `EINTR` where that is nothing.
pub fn sys_restart_syscall(thread: &Thread) -> Result<usize> {
    let block = thread.restart_block.lock().take().ok_or(Errno::EINTR)?;
    match block {
        RestartBlock::Sleep { .. } => sleep(thread, block),
        RestartBlock::Futex { .. } => super::futex::go_on(thread, block),
    }
}
