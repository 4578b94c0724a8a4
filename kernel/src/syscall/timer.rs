//! Timers: a process' own, those it makes, and those that are files; signals as files. Models
//! `kernel/time/itimer.c`, `posix-timers.c`, `fs/timerfd.c`, `fs/signalfd.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use super::time::{Timespec, Timeval};
use crate::mm::user;
use crate::process::clockid::ClockId;
use crate::process::signal::{MAX_SIGNAL, SigSet, signalfd};
use crate::process::timers::interval::{self, SIGALRM, Which};
use crate::process::timers::posix::{self, Notify};
use crate::process::{Thread, tree};
use crate::time::clock::Base;
use crate::time::timerfd::{self, Setting, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET};
use crate::vfs::flags::{O_CLOEXEC, O_NONBLOCK};

/// `struct itimerval`.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct IntervalVal {
    interval: Timeval,
    value: Timeval,
}

impl IntervalVal {
    fn of(setting: Setting) -> IntervalVal {
        IntervalVal { interval: Timeval::from_ns(setting.interval), value: Timeval::from_ns(setting.value) }
    }
}

/// `struct itimerspec`.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct IntervalSpec {
    interval: Timespec,
    value: Timespec,
}

impl IntervalSpec {
    fn of(setting: Setting) -> IntervalSpec {
        IntervalSpec {
            interval: Timespec::from_ns(setting.interval),
            value: Timespec::from_ns(setting.value),
        }
    }

    fn read(from: u64) -> Result<Setting> {
        let spec: IntervalSpec = user::read(from)?;
        Ok(Setting { value: spec.value.to_ns()?, interval: spec.interval.to_ns()? })
    }
}

fn which(raw: u32) -> Result<Which> {
    match raw {
        0 => Ok(Which::Real),
        1 => Ok(Which::Virtual),
        2 => Ok(Which::Profile),
        _ => Err(Errno::EINVAL),
    }
}

/// `getitimer`. `EINVAL`, `EFAULT`.
pub fn sys_getitimer(thread: &Thread, timer: u32, to: u64) -> Result<usize> {
    let setting = interval::get(thread.process(), which(timer)?);
    user::write(to, &IntervalVal::of(setting)).map(|()| 0)
}

/// `setitimer`; the null pointer stops the timer. `EINVAL`, `EFAULT`, `ENOMEM`.
pub fn sys_setitimer(thread: &Thread, timer: u32, new: u64, old: u64) -> Result<usize> {
    let new = match new {
        0 => Setting::default(),
        at => {
            let val: IntervalVal = user::read(at)?;
            Setting { value: val.value.to_ns()?, interval: val.interval.to_ns()? }
        }
    };
    let before = interval::set(thread.process(), which(timer)?, new)?;
    if old != 0 {
        user::write(old, &IntervalVal::of(before))?;
    }
    Ok(0)
}

/// `struct sigevent`, as far as it says something.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SigEvent {
    value: u64,
    signal: i32,
    notify: i32,
    tid: i32,
    rest: [i32; 11],
}

/// How a timer is to tell. `EINVAL`.
fn notify(thread: &Thread, event: &SigEvent) -> Result<Notify> {
    const SIGEV_SIGNAL: i32 = 0;
    const SIGEV_NONE: i32 = 1;
    const SIGEV_THREAD: i32 = 2;
    const SIGEV_THREAD_ID: i32 = 4;
    let signal = u32::try_from(event.signal).ok().filter(|signal| (1..=MAX_SIGNAL).contains(signal));
    let value = Some(event.value);
    match event.notify {
        SIGEV_NONE => Ok(Notify { signal: 0, tid: 0, value }),
        SIGEV_SIGNAL | SIGEV_THREAD => Ok(Notify { signal: signal.ok_or(Errno::EINVAL)?, tid: 0, value }),
        SIGEV_THREAD_ID => {
            let tid = u32::try_from(event.tid).map_err(|_| Errno::EINVAL)?;
            if tree::lock().process_of(tid) != Some(thread.process().pid()) {
                return Err(Errno::EINVAL);
            }
            Ok(Notify { signal: signal.ok_or(Errno::EINVAL)?, tid, value })
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `timer_create`; the null pointer asks for SIGALRM with the timer's number. `EINVAL`, `EOPNOTSUPP`, `EAGAIN`,
/// `EFAULT`; on an error there is no timer.
pub fn sys_timer_create(thread: &Thread, clock: u32, event: u64, to: u64) -> Result<usize> {
    let event = if event != 0 { Some(user::read::<SigEvent>(event)?) } else { None };
    let clock = ClockId::from_raw(thread, clock)?.for_timers()?;
    let notify = match event {
        Some(event) => notify(thread, &event)?,
        None => Notify { signal: SIGALRM, tid: 0, value: None },
    };
    let id = posix::create(thread.process(), clock, notify)?;
    if let Err(e) = user::write(to, &id) {
        let _ = thread.process().timers.delete_posix(id);
        return Err(e);
    }
    Ok(0)
}

/// `timer_settime`. `EFAULT`, `EINVAL`.
pub fn sys_timer_settime(thread: &Thread, id: u32, flags: u32, new: u64, old: u64) -> Result<usize> {
    const TIMER_ABSTIME: u32 = 1;
    if new == 0 {
        return Err(Errno::EINVAL);
    }
    let new = IntervalSpec::read(new)?;
    let before = thread.process().timers.posix(id)?.set(new, flags & TIMER_ABSTIME != 0);
    if old != 0 {
        user::write(old, &IntervalSpec::of(before))?;
    }
    Ok(0)
}

/// `timer_gettime`. `EINVAL`, `EFAULT`.
pub fn sys_timer_gettime(thread: &Thread, id: u32, to: u64) -> Result<usize> {
    let setting = thread.process().timers.posix(id)?.get();
    user::write(to, &IntervalSpec::of(setting)).map(|()| 0)
}

/// `timer_getoverrun`. `EINVAL`.
pub fn sys_timer_getoverrun(thread: &Thread, id: u32) -> Result<usize> {
    Ok(thread.process().timers.posix(id)?.overrun() as usize)
}

/// `timer_delete`. `EINVAL`.
pub fn sys_timer_delete(thread: &Thread, id: u32) -> Result<usize> {
    thread.process().timers.delete_posix(id).map(|()| 0)
}

/// `timerfd_create`. `EINVAL`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_timerfd_create(ctx: &Ctx, clock: u32, flags: u32) -> Result<usize> {
    let base = match clock {
        // REALTIME, REALTIME_ALARM.
        0 | 8 => Base::Realtime,
        // MONOTONIC, BOOTTIME, BOOTTIME_ALARM.
        1 | 7 | 9 => Base::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let slot = ctx.files.reserve(flags & O_CLOEXEC != 0)?;
    Ok(slot.install(timerfd::new(clock, base, flags & O_NONBLOCK)?))
}

/// `timerfd_settime`. `EFAULT`, `EINVAL`, `EBADF`, `ECANCELED`, `ENOMEM`.
pub fn sys_timerfd_settime(ctx: &Ctx, fd: i32, flags: u32, new: u64, old: u64) -> Result<usize> {
    let spec: IntervalSpec = user::read(new)?;
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let new = Setting { value: spec.value.to_ns()?, interval: spec.interval.to_ns()? };
    let file = ctx.io_file(fd)?;
    let before = timerfd::of(&file).ok_or(Errno::EINVAL)?.set(flags, new)?;
    if old != 0 {
        user::write(old, &IntervalSpec::of(before))?;
    }
    Ok(0)
}

/// `timerfd_gettime`. `EBADF`, `EINVAL`, `EFAULT`.
pub fn sys_timerfd_gettime(ctx: &Ctx, fd: i32, to: u64) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    let setting = timerfd::of(&file).ok_or(Errno::EINVAL)?.get();
    user::write(to, &IntervalSpec::of(setting)).map(|()| 0)
}

/// `signalfd4`. `EINVAL`, `EFAULT`, `EBADF`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_signalfd4(ctx: &Ctx, fd: i32, set: u64, size: u64, flags: u32) -> Result<usize> {
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let set: SigSet = user::read(set)?;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    if fd != -1 {
        signalfd::set(&*ctx.io_file(fd)?, set)?;
        return Ok(fd as usize);
    }
    let slot = ctx.files.reserve(flags & O_CLOEXEC != 0)?;
    Ok(slot.install(signalfd::new(set, flags & O_NONBLOCK)?))
}
