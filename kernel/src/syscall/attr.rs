//! Attributes and access. Models `fs/stat.c`, `fs/statfs.c`, and the access calls of `fs/open.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{Immutable, IntoBytes};

use super::Ctx;
use super::ctx::user_path;
use crate::mm::user;
use crate::vfs::Inode;
use crate::vfs::flags::{AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW};
use crate::vfs::inode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use crate::vfs::mount_flags;
use crate::vfs::mounts;
use crate::vfs::stat::{Stat, Statx};
use crate::vfs::write_access::want_write;

const AT_STATX_SYNC_TYPE: u32 = 0x6000;
const AT_EACCESS: u32 = 0x200;
const STATX_RESERVED: u32 = 0x8000_0000;
const X_OK: u32 = 1;
const W_OK: u32 = 2;

/// `fstat`. `EBADF`, `EFAULT`. May sleep.
pub fn sys_fstat(ctx: &Ctx, fd: i32, buf: u64) -> Result<usize> {
    user::write(buf, &Stat::of_file(&*ctx.file(fd)?)).map(|()| 0)
}

/// The attributes, and whether they are those of a filesystem's root.
fn stat_at(ctx: &Ctx, dirfd: i32, path: u64, flags: u32) -> Result<(Stat, bool)> {
    let path = user_path(path)?;
    let dentry = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        if dirfd != AT_FDCWD {
            let file = ctx.file(dirfd)?;
            return Ok((Stat::of_file(&file), file.dentry().is_some_and(|dentry| dentry.is_mount())));
        }
        ctx.fs.cwd()
    } else {
        ctx.resolve(dirfd, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?
    };
    Ok((Stat::of(dentry.inode()), dentry.is_mount()))
}

/// `newfstatat`. `EINVAL`, `EFAULT` and what walking says. May sleep.
pub fn sys_newfstatat(ctx: &Ctx, dirfd: i32, path: u64, buf: u64, flags: u32) -> Result<usize> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    user::write(buf, &stat_at(ctx, dirfd, path, flags)?.0).map(|()| 0)
}

/// `statx`: the basic fields, whatever was asked for. As [`sys_newfstatat`].
pub fn sys_statx(ctx: &Ctx, dirfd: i32, path: u64, flags: u32, mask: u32, buf: u64) -> Result<usize> {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if flags & !known != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE || mask & STATX_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let (stat, root) = stat_at(ctx, dirfd, path, flags)?;
    user::write(buf, &Statx::new(&stat, root)).map(|()| 0)
}

/// `faccessat` and `faccessat2`: the one user may do anything, but execute what nobody may. `EACCES`, `EINVAL` and
/// what walking says. May sleep.
pub fn sys_faccessat2(ctx: &Ctx, dirfd: i32, path: u64, mode: u32, flags: u32) -> Result<usize> {
    if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = user_path(path)?;
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let check = |inode: &Inode| may_execute(inode, mode);
        return if dirfd == AT_FDCWD { check(ctx.fs.cwd().inode()) } else { check(ctx.file(dirfd)?.inode()) };
    }
    may_execute(ctx.resolve(dirfd, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?.inode(), mode)
}

fn may_execute(inode: &Inode, mode: u32) -> Result<usize> {
    if mode & W_OK != 0 && matches!(inode.mode() & S_IFMT, S_IFREG | S_IFDIR | S_IFLNK) {
        want_write(inode)?;
    }
    if mode & X_OK != 0 && inode.is_regular() && mount_flags::has(inode.dev(), mount_flags::NOEXEC) {
        return Err(Errno::EACCES);
    }
    if mode & X_OK != 0 && !inode.is_dir() && inode.mode() & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    Ok(0)
}

/// `struct statfs` (`asm-generic/statfs.h`).
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
struct StatFs {
    f_type: u64,
    f_bsize: u64,
    f_blocks: u64,
    f_bfree: u64,
    f_bavail: u64,
    f_files: u64,
    f_ffree: u64,
    f_fsid: u64,
    f_namelen: u64,
    f_frsize: u64,
    f_flags: u64,
    f_spare: [u64; 4],
}

const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `ST_VALID`, `ST_RELATIME`.
const ST_FLAGS: u64 = 0x20 | 0x1000;

/// The type of a filesystem, by its number.
fn magic(dev: u32) -> u64 {
    match dev {
        4 => 0x9fa0,
        6 => 0x6265_6572,
        7 => 0x6462_6720,
        8 => 0x5049_5045,
        9 => 0x444d_4142,
        _ => TMPFS_MAGIC,
    }
}

/// What a filesystem has and has left. Without a limit, and where there is nothing to count, it is zero.
fn statfs(inode: &Inode) -> StatFs {
    let quota = mounts::quota(inode.dev());
    let limit = quota.as_ref().map(|quota| quota.limit()).filter(|limit| *limit != usize::MAX);
    let total = limit.unwrap_or(0) as u64;
    let free = total.saturating_sub(quota.map_or(0, |quota| quota.used() as u64));
    StatFs {
        f_type: magic(inode.dev()),
        f_bsize: 4096,
        f_blocks: total,
        f_bfree: free,
        f_bavail: free,
        f_fsid: inode.dev().into(),
        f_namelen: 255,
        f_frsize: 4096,
        f_flags: ST_FLAGS | u64::from(mount_flags::of(inode.dev())),
        ..StatFs::default()
    }
}

/// `statfs`. `EFAULT` and what walking says. May sleep.
pub fn sys_statfs(ctx: &Ctx, path: u64, buf: u64) -> Result<usize> {
    let at = ctx.resolve(AT_FDCWD, &user_path(path)?, true)?;
    user::write(buf, &statfs(at.inode())).map(|()| 0)
}

/// `fstatfs`. `EBADF`, `EFAULT`.
pub fn sys_fstatfs(ctx: &Ctx, fd: i32, buf: u64) -> Result<usize> {
    user::write(buf, &statfs(ctx.file(fd)?.inode())).map(|()| 0)
}
