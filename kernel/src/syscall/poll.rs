//! `ppoll` and `pselect6`. Their signal masks are set and restored around them, by
//! [`under_mask`](super::signal::under_mask). Models `fs/select.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use super::time::{Timespec, after};
use crate::arch::now_ns;
use crate::mm::user;
use crate::vfs::File;
use crate::vfs::file::{
    Events, POLLERR, POLLHUP, POLLNVAL, POLLPRI, POLLRDBAND, POLLWRBAND, READABLE, WRITABLE, close_put_off,
};
use crate::vfs::poll;

/// Events that are reported whether asked for or not.
const ALWAYS: Events = POLLERR | POLLHUP;
/// Largest set that `pselect6` takes, in bits.
const FD_SETSIZE: usize = 1024;

/// `struct pollfd`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}

/// One file polled; a descriptor that leads nowhere has none.
struct Polled {
    file: Option<Arc<File>>,
    events: Events,
}

impl Polled {
    fn ready(&self) -> Events {
        match &self.file {
            Some(file) => file.poll() & (self.events | ALWAYS),
            None => POLLNVAL,
        }
    }
}

/// When to stop waiting, and where the caller wants to find the time that was left.
pub(super) struct Timeout {
    /// In nanoseconds since boot; 0 not to wait at all; `None` never to stop.
    pub deadline: Option<u64>,
    left: u64,
}

impl Timeout {
    /// From the `struct timespec` at an address; the null pointer is for ever. `EFAULT`, `EINVAL`.
    pub fn read(at: u64) -> Result<Timeout> {
        let deadline = match at {
            0 => None,
            at => Some(user::read::<Timespec>(at)?.to_ns()?).map(|ns| if ns == 0 { 0 } else { after(ns) }),
        };
        Ok(Timeout { deadline, left: at })
    }

    /// Writes what is left where the timeout was read from, as far as that can be written.
    pub fn write_left(&self) {
        if let Some(deadline) = self.deadline.filter(|&at| at > 0) {
            let _ = user::write(self.left, &Timespec::from_ns(deadline.saturating_sub(now_ns())));
        }
    }
}

/// `ppoll`. `EFAULT`, `EINVAL`, `EINTR`, `ENOMEM`. May sleep.
pub fn sys_ppoll(ctx: &Ctx, fds: u64, count: usize, timeout: u64) -> Result<usize> {
    let timeout = Timeout::read(timeout)?;
    if count > ctx.files.limit() {
        return Err(Errno::EINVAL);
    }
    let entry = |i: usize| fds.wrapping_add((i * size_of::<PollFd>()) as u64);
    let mut polled = Vec::new();
    polled.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for i in 0..count {
        let PollFd { fd, events, .. } = user::read(entry(i))?;
        polled.push((fd, Polled { file: ctx.io_file(fd).ok(), events: events.into() }));
    }
    // A negative number is an entry left out.
    let live = |(fd, polled): &(i32, Polled)| if *fd < 0 { 0 } else { polled.ready() };
    let files = polled.iter().filter_map(|(_, polled)| polled.file.as_deref());
    let waited = poll::wait(files, timeout.deadline, || polled.iter().filter(|each| live(each) != 0).count());
    close_put_off();
    timeout.write_left();
    let ready = waited?;
    for (i, each) in polled.iter().enumerate() {
        user::write(entry(i) + 6, &(live(each) as u16))?;
    }
    Ok(ready)
}

/// One of the three sets of `pselect6`.
struct Set {
    addr: u64,
    bits: [u64; FD_SETSIZE / 64],
    /// What makes a descriptor ready in this set.
    events: Events,
}

impl Set {
    fn read(addr: u64, words: usize, events: Events) -> Result<Set> {
        let mut bits = [0; FD_SETSIZE / 64];
        if addr != 0 {
            user::read_bytes(addr, bits[..words].as_mut_bytes())?;
        }
        Ok(Set { addr, bits, events })
    }

    fn fds(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(|fd| self.bits[fd / 64] >> (fd % 64) & 1 != 0)
    }
}

/// `pselect6`. `EBADF`, and as [`sys_ppoll`].
pub fn sys_pselect6(ctx: &Ctx, count: i32, sets: [u64; 3], timeout: u64) -> Result<usize> {
    let timeout = Timeout::read(timeout)?;
    // What is past the table is not looked at.
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(FD_SETSIZE).min(ctx.files.room());
    let words = count.div_ceil(64);
    let mut sets = [
        Set::read(sets[0], words, READABLE | POLLRDBAND | POLLHUP | POLLERR)?,
        Set::read(sets[1], words, WRITABLE | POLLWRBAND | POLLERR)?,
        Set::read(sets[2], words, POLLPRI)?,
    ];
    let mut polled = Vec::new();
    for (which, set) in sets.iter().enumerate() {
        for fd in set.fds(count) {
            let file = ctx.io_file(fd as i32)?;
            polled.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            polled.push((which, fd, set.events, file));
        }
    }
    let hit = |events: Events, file: &File| file.poll() & events != 0;
    let count_ready = || polled.iter().filter(|(_, _, events, file)| hit(*events, file)).count();
    let waited = poll::wait(polled.iter().map(|(_, _, _, file)| &**file), timeout.deadline, count_ready);
    close_put_off();
    timeout.write_left();
    waited?;
    sets.iter_mut().for_each(|set| set.bits = [0; FD_SETSIZE / 64]);
    let mut ready = 0;
    for (which, fd, _, _) in polled.iter().filter(|(_, _, events, file)| hit(*events, file)) {
        sets[*which].bits[fd / 64] |= 1 << (fd % 64);
        ready += 1;
    }
    for set in sets.iter().filter(|set| set.addr != 0) {
        user::write_bytes(set.addr, set.bits[..words].as_bytes())?;
    }
    Ok(ready)
}
