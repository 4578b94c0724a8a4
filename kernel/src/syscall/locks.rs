//! Locking files. Models `fs/locks.c`, `fs/fcntl.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use crate::mm::user;
use crate::vfs::File;
use crate::vfs::locks::{self, Lock, Owner};

const LOCK_SH: u32 = 1;
const LOCK_EX: u32 = 2;
const LOCK_NB: u32 = 4;
const LOCK_UN: u32 = 8;

/// `F_GETLK`: what is in the way?
pub const F_GETLK: u32 = 5;
/// `F_SETLK`: lock or unlock, without waiting.
pub const F_SETLK: u32 = 6;
/// `F_SETLKW`: the same, waiting.
pub const F_SETLKW: u32 = 7;
/// `F_OFD_GETLK`: the three again, for the open file.
pub const F_OFD_GETLK: u32 = 36;
/// `F_OFD_SETLK`.
pub const F_OFD_SETLK: u32 = 37;
/// `F_OFD_SETLKW`.
pub const F_OFD_SETLKW: u32 = 38;

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

/// `struct flock` (`asm-generic/fcntl.h`).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Flock {
    kind: i16,
    whence: i16,
    pad: u32,
    start: i64,
    len: i64,
    pid: i32,
    end: u32,
}

/// `flock`. `EBADF`, `EINVAL`, `EWOULDBLOCK`, `EINTR`, `ENOLCK`. May sleep.
pub fn sys_flock(ctx: &Ctx, fd: i32, operation: u32) -> Result<usize> {
    let exclusive = match operation & !LOCK_NB {
        LOCK_SH => Some(false),
        LOCK_EX => Some(true),
        LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let file = ctx.io_file(fd)?;
    let owner = Owner::Flock(file.id());
    match exclusive {
        Some(exclusive) => {
            locks::lock(file.inode(), &Lock::whole(owner, exclusive), operation & LOCK_NB == 0)?
        }
        None => locks::release(file.inode(), owner),
    }
    Ok(0)
}

/// The locking commands of `fcntl`. `EBADF` where the descriptor's access does not allow the lock, `EINVAL`,
/// `EOVERFLOW`, `EAGAIN`, `EDEADLK`, `EINTR`, `ENOLCK`, `EFAULT`. May sleep.
pub fn fcntl(ctx: &Ctx, file: &File, cmd: u32, at: u64) -> Result<usize> {
    let mut asked: Flock = user::read(at)?;
    let own = matches!(cmd, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW);
    let owner = if own { Owner::OpenFile(file.id()) } else { Owner::Process(ctx.files.id(), ctx.pid) };
    if matches!(cmd, F_GETLK | F_OFD_GETLK) {
        let wanted = match asked.kind {
            F_RDLCK | F_WRLCK => range(file, &asked, owner)?,
            _ => return Err(Errno::EINVAL),
        };
        if own && asked.pid != 0 {
            return Err(Errno::EINVAL);
        }
        report(&mut asked, locks::test(file.inode(), &wanted));
        return user::write(at, &asked).map(|()| 0);
    }
    let wanted = range(file, &asked, owner)?;
    if own && asked.pid != 0 {
        return Err(Errno::EINVAL);
    }
    match asked.kind {
        F_RDLCK if !file.readable() => return Err(Errno::EBADF),
        F_WRLCK if !file.writable() => return Err(Errno::EBADF),
        F_RDLCK | F_WRLCK => locks::lock(file.inode(), &wanted, matches!(cmd, F_SETLKW | F_OFD_SETLKW))?,
        F_UNLCK => locks::unlock(file.inode(), &wanted)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// The bytes that are meant. `EINVAL`, `EOVERFLOW`.
fn range(file: &File, asked: &Flock, owner: Owner) -> Result<Lock> {
    let base = match asked.whence {
        0 => 0,
        1 => file.pos() as i64,
        2 => file.inode().size() as i64,
        _ => return Err(Errno::EINVAL),
    };
    let from = base.checked_add(asked.start).ok_or(Errno::EOVERFLOW)?;
    let (start, last) = match asked.len {
        0 => (from, i64::MAX),
        1.. => (from, from.checked_add(asked.len - 1).ok_or(Errno::EOVERFLOW)?),
        _ => (from.checked_add(asked.len).ok_or(Errno::EINVAL)?, from - 1),
    };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    Ok(Lock { owner, start, last: last as u64, exclusive: asked.kind == F_WRLCK })
}

/// Says what is in the way, or that nothing is.
fn report(asked: &mut Flock, there: Option<Lock>) {
    let Some(Lock { owner, start, last, exclusive }) = there else {
        asked.kind = F_UNLCK;
        return;
    };
    asked.kind = if exclusive { F_WRLCK } else { F_RDLCK };
    asked.whence = 0;
    asked.start = start as i64;
    asked.len = if last == i64::MAX as u64 { 0 } else { (last - start + 1) as i64 };
    asked.pid = match owner {
        Owner::Process(_, pid) => pid,
        _ => -1,
    };
}
