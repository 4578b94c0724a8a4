//! Changing attributes: mode, owner, times. Models `fs/open.c`, `fs/utimes.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, IntoBytes};

use super::Ctx;
use super::ctx::user_path;
use crate::mm::user;
use crate::vfs::Inode;
use crate::vfs::attributes::{Time, now};
use crate::vfs::flags::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::vfs::write_access::want_write;

const UTIME_NOW: i64 = (1 << 30) - 1;
const UTIME_OMIT: i64 = (1 << 30) - 2;
const NS: i64 = 1_000_000_000;

/// What a path leads to, or its descriptor itself where it is empty and `flags` allow that. May sleep.
fn inode_at(ctx: &Ctx, dirfd: i32, path: u64, flags: u32) -> Result<Arc<Inode>> {
    let path = user_path(path)?;
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return Ok(if dirfd == AT_FDCWD {
            ctx.fs.cwd().inode().clone()
        } else {
            ctx.file(dirfd)?.inode().clone()
        });
    }
    Ok(ctx.resolve(dirfd, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?.inode().clone())
}

fn check_flags(flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `fchmodat`. `EROFS`, and what walking says. May sleep.
pub fn sys_fchmodat(ctx: &Ctx, dirfd: i32, path: u64, mode: u32) -> Result<usize> {
    let inode = inode_at(ctx, dirfd, path, 0)?;
    want_write(&inode)?;
    inode.set_permissions(mode);
    Ok(0)
}

/// `fchmod`. `EBADF`, `EROFS`.
pub fn sys_fchmod(ctx: &Ctx, fd: i32, mode: u32) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    want_write(file.inode())?;
    file.inode().set_permissions(mode);
    Ok(0)
}

/// `fchownat`: the one user there is may give files to others. `EINVAL`, and what walking says. May sleep.
pub fn sys_fchownat(ctx: &Ctx, dirfd: i32, path: u64, uid: u32, gid: u32, flags: u32) -> Result<usize> {
    check_flags(flags)?;
    set_owner(&*inode_at(ctx, dirfd, path, flags)?, uid, gid)
}

/// `fchown`. `EBADF`, `EROFS`.
pub fn sys_fchown(ctx: &Ctx, fd: i32, uid: u32, gid: u32) -> Result<usize> {
    set_owner(ctx.io_file(fd)?.inode(), uid, gid)
}

fn set_owner(inode: &Inode, uid: u32, gid: u32) -> Result<usize> {
    want_write(inode)?;
    let given = |id| (id != u32::MAX).then_some(id);
    inode.set_owner(given(uid), given(gid));
    Ok(0)
}

/// `struct timespec` as `utimensat` reads it.
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct When {
    sec: i64,
    nsec: i64,
}

impl When {
    /// The time to set, `None` to leave it. `EINVAL`.
    fn time(self) -> Result<Option<Time>> {
        match self.nsec {
            UTIME_OMIT => Ok(None),
            UTIME_NOW => Ok(Some(now())),
            0..NS => Ok(Some(self.sec.saturating_mul(NS).saturating_add(self.nsec))),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// `utimensat`. `EINVAL`, `EFAULT`, `EBADF`, and what walking says. May sleep.
pub fn sys_utimensat(ctx: &Ctx, dirfd: i32, path: u64, times: u64, flags: u32) -> Result<usize> {
    let [atime, mtime] = if times == 0 {
        [Some(now()); 2]
    } else {
        let whens: [When; 2] =
            [user::read(times)?, user::read(times.wrapping_add(size_of::<When>() as u64))?];
        if whens.iter().all(|when| when.nsec == UTIME_OMIT) {
            return Ok(0);
        }
        [whens[0].time()?, whens[1].time()?]
    };
    let inode = if path == 0 && dirfd != AT_FDCWD {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        ctx.io_file(dirfd)?.inode().clone()
    } else {
        check_flags(flags)?;
        inode_at(ctx, dirfd, path, flags)?
    };
    want_write(&inode)?;
    inode.set_times(atime, mtime);
    Ok(0)
}
