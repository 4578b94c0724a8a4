//! `eventfd2` and the epoll calls. Models `fs/eventfd.c` and `fs/eventpoll.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use super::poll::Timeout;
use super::time::after;
use crate::arch::USER_END;
use crate::mm::user;
use crate::vfs::epoll::{self, Change, Interest};
use crate::vfs::eventfd;
use crate::vfs::file::close_put_off;
use crate::vfs::flags::{O_CLOEXEC, O_NONBLOCK};

const EFD_SEMAPHORE: u32 = 1;
const EPOLL_CTL_ADD: u32 = 1;
const EPOLL_CTL_DEL: u32 = 2;
const EPOLL_CTL_MOD: u32 = 3;
const NS_PER_MS: u64 = 1_000_000;

/// `struct epoll_event`, which arm64 does not pack.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Event {
    events: u32,
    pad: u32,
    data: u64,
}

const EVENT_SIZE: usize = size_of::<Event>();
/// Most events one call may ask for.
const MAX_EVENTS: i32 = (i32::MAX as usize / EVENT_SIZE) as i32;

/// `eventfd2`. `EINVAL`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_eventfd2(ctx: &Ctx, count: u32, flags: u32) -> Result<usize> {
    if flags & !(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let slot = ctx.files.reserve(flags & O_CLOEXEC != 0)?;
    let file = eventfd::new(count, flags & EFD_SEMAPHORE != 0, flags & O_NONBLOCK)?;
    Ok(slot.install(file))
}

/// `epoll_create1`. `EINVAL`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_epoll_create1(ctx: &Ctx, flags: u32) -> Result<usize> {
    if flags & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let slot = ctx.files.reserve(flags & O_CLOEXEC != 0)?;
    Ok(slot.install(epoll::new()?))
}

/// `epoll_ctl`. `EFAULT`, `EBADF`, and as [`epoll::control`]. May sleep.
pub fn sys_epoll_ctl(ctx: &Ctx, at: i32, op: u32, fd: i32, event: u64) -> Result<usize> {
    let interest = match op {
        EPOLL_CTL_DEL => None,
        _ => Some(user::read::<Event>(event)?).map(|Event { events, data, .. }| Interest { events, data }),
    };
    let (at, file) = (ctx.io_file(at)?, ctx.io_file(fd)?);
    let change = match (op, interest) {
        (EPOLL_CTL_ADD, Some(interest)) => Some(Change::Add(interest)),
        (EPOLL_CTL_MOD, Some(interest)) => Some(Change::Modify(interest)),
        (EPOLL_CTL_DEL, _) => Some(Change::Delete),
        _ => None,
    };
    let Some(change) = change else {
        // What is wrong with the file is said before what is wrong with the number.
        return Err(if file.ops().poll_queue().is_none() { Errno::EPERM } else { Errno::EINVAL });
    };
    let done = epoll::control(&at, &file, fd, change);
    close_put_off();
    done.map(|()| 0)
}

/// `epoll_pwait`, under its mask: a timeout in milliseconds, a negative one for ever. `EINVAL`, `EFAULT`, `EBADF`,
/// `EINTR`. May sleep.
pub fn sys_epoll_wait(ctx: &Ctx, at: i32, events: u64, most: i32, timeout: i32) -> Result<usize> {
    let deadline = match u64::try_from(timeout) {
        Err(_) => None,
        Ok(0) => Some(0),
        Ok(ms) => Some(after(ms * NS_PER_MS)),
    };
    wait(ctx, at, events, most, deadline)
}

/// `epoll_pwait2`, under its mask: the timeout is a `struct timespec`, or null for ever. As [`sys_epoll_wait`].
pub fn sys_epoll_wait2(ctx: &Ctx, at: i32, events: u64, most: i32, timeout: u64) -> Result<usize> {
    wait(ctx, at, events, most, Timeout::read(timeout)?.deadline)
}

fn wait(ctx: &Ctx, at: i32, events: u64, most: i32, deadline: Option<u64>) -> Result<usize> {
    if most <= 0 || most > MAX_EVENTS {
        return Err(Errno::EINVAL);
    }
    let most = most as usize;
    let end = events.checked_add((most * EVENT_SIZE) as u64);
    if end.is_none_or(|end| end > USER_END) {
        return Err(Errno::EFAULT);
    }
    let file = ctx.io_file(at)?;
    let epoll = epoll::of(&file).ok_or(Errno::EINVAL)?;
    let mut to = events;
    let got = epoll.wait(most, deadline, &mut |Interest { events, data }| {
        user::write(to, &Event { events, pad: 0, data })?;
        to += EVENT_SIZE as u64;
        Ok(())
    });
    close_put_off();
    got
}
