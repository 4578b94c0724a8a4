//! `ppoll` and `pselect6`. Their signal masks are the process layer's to set and restore around them. Models
//! `fs/select.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use crate::arch::now_ns;
use crate::mm::user;
use crate::vfs::File;
use crate::vfs::file::{Events, POLLERR, POLLHUP, POLLIN, POLLOUT};
use crate::vfs::poll;

const POLLNVAL: Events = 0x20;
/// Events that are reported whether asked for or not.
const ALWAYS: Events = POLLERR | POLLHUP;
const NS_PER_S: u64 = 1_000_000_000;
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
            Some(file) => file.ops().poll(file) & (self.events | ALWAYS),
            None => POLLNVAL,
        }
    }
}

/// When a `struct timespec` from now is; `None` for the null pointer. `EFAULT`, `EINVAL`.
fn deadline(timeout: u64) -> Result<Option<u64>> {
    if timeout == 0 {
        return Ok(None);
    }
    let [seconds, nanos] = user::read::<[i64; 2]>(timeout)?;
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let nanos = u64::try_from(nanos).ok().filter(|&n| n < NS_PER_S).ok_or(Errno::EINVAL)?;
    Ok(Some(now_ns().saturating_add(seconds.saturating_mul(NS_PER_S).saturating_add(nanos))))
}

/// `ppoll`. `EFAULT`, `EINVAL`, `EINTR`, `ENOMEM`. May sleep.
pub fn sys_ppoll(ctx: &Ctx, fds: u64, count: usize, timeout: u64) -> Result<usize> {
    let deadline = deadline(timeout)?;
    if count > ctx.files.limit() {
        return Err(Errno::EINVAL);
    }
    let entry = |i: usize| fds.wrapping_add((i * size_of::<PollFd>()) as u64);
    let mut polled = Vec::new();
    polled.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for i in 0..count {
        let PollFd { fd, events, .. } = user::read(entry(i))?;
        polled.push((fd, Polled { file: ctx.file(fd).ok(), events: events.into() }));
    }
    // A negative number is an entry left out.
    let live = |(fd, polled): &(i32, Polled)| if *fd < 0 { 0 } else { polled.ready() };
    let ready = poll::wait(deadline, || polled.iter().filter(|each| live(each) != 0).count())?;
    for (i, each) in polled.iter().enumerate() {
        user::write(entry(i) + 6, &(live(each) as u16))?;
    }
    Ok(ready)
}

/// One of the three sets of `pselect6`.
struct Set {
    addr: u64,
    bits: [u64; FD_SETSIZE / 64],
    events: Events,
    /// What makes a descriptor ready in this set.
    hits: Events,
}

impl Set {
    fn read(addr: u64, words: usize, events: Events, hits: Events) -> Result<Set> {
        let mut bits = [0; FD_SETSIZE / 64];
        if addr != 0 {
            user::read_bytes(addr, bits[..words].as_mut_bytes())?;
        }
        Ok(Set { addr, bits, events, hits })
    }

    fn fds(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(|fd| self.bits[fd / 64] >> (fd % 64) & 1 != 0)
    }
}

/// `pselect6`. `EBADF`, and as [`sys_ppoll`].
pub fn sys_pselect6(ctx: &Ctx, count: i32, sets: [u64; 3], timeout: u64) -> Result<usize> {
    let deadline = deadline(timeout)?;
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(FD_SETSIZE);
    let words = count.div_ceil(64);
    let mut sets = [
        Set::read(sets[0], words, POLLIN, POLLIN | POLLHUP | POLLERR)?,
        Set::read(sets[1], words, POLLOUT, POLLOUT | POLLERR)?,
        Set::read(sets[2], words, 0, 0)?,
    ];
    let mut polled = Vec::new();
    for (which, set) in sets.iter().enumerate() {
        for fd in set.fds(count) {
            let file = ctx.file(fd as i32)?;
            polled.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            polled.push((which, fd, set.hits, Polled { file: Some(file), events: set.events }));
        }
    }
    let hit = |hits: Events, polled: &Polled| polled.ready() & hits != 0;
    poll::wait(deadline, || polled.iter().filter(|(_, _, hits, each)| hit(*hits, each)).count())?;
    sets.iter_mut().for_each(|set| set.bits = [0; FD_SETSIZE / 64]);
    let mut ready = 0;
    for (which, fd, _, _) in polled.iter().filter(|(_, _, hits, each)| hit(*hits, each)) {
        sets[*which].bits[fd / 64] |= 1 << (fd % 64);
        ready += 1;
    }
    for set in sets.iter().filter(|set| set.addr != 0) {
        user::write_bytes(set.addr, set.bits[..words].as_bytes())?;
    }
    Ok(ready)
}
