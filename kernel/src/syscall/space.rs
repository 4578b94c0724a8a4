//! The size of files, and the memory behind them: truncating, allocating, hinting, flushing. Models `fs/open.c`,
//! `fs/sync.c`, `mm/fadvise.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::Ctx;
use super::ctx::user_path;
use crate::vfs::flags::AT_FDCWD;
use crate::vfs::inode::{Content, Inode, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};
use crate::vfs::longest;
use crate::vfs::ramfs::data::MAX_SIZE;
use crate::vfs::write_access::{WriteAccess, want_write};

const FALLOC_KEEP_SIZE: u32 = 1;
const FALLOC_PUNCH_HOLE: u32 = 2;
const FALLOC_COLLAPSE_RANGE: u32 = 8;
const FALLOC_ZERO_RANGE: u32 = 0x10;
const FALLOC_INSERT_RANGE: u32 = 0x20;
const FALLOC_UNSHARE_RANGE: u32 = 0x40;
const FALLOC_ALL: u32 = FALLOC_KEEP_SIZE
    | FALLOC_PUNCH_HOLE
    | FALLOC_COLLAPSE_RANGE
    | FALLOC_ZERO_RANGE
    | FALLOC_INSERT_RANGE
    | FALLOC_UNSHARE_RANGE;

/// `POSIX_FADV_NOREUSE`, the last there is.
const LAST_ADVICE: u32 = 5;
/// The flags of `sync_file_range`.
const SYNC_RANGE: u32 = 7;

fn offset(pos: i64) -> Result<u64> {
    u64::try_from(pos).map_err(|_| Errno::EINVAL)
}

/// `ftruncate`. `EBADF`, `EINVAL`, `EFBIG`, `EPERM` for a sealed file. May sleep.
pub fn sys_ftruncate(ctx: &Ctx, fd: i32, size: i64) -> Result<usize> {
    let size = offset(size)?;
    let file = ctx.io_file(fd)?;
    if !file.writable() {
        return Err(Errno::EINVAL);
    }
    truncate(file.inode(), size)
}

fn truncate(inode: &Inode, size: u64) -> Result<usize> {
    longest::admit_size(inode.size(), size)?;
    inode.truncate(size).map(|()| 0)
}

/// `truncate`. As [`sys_ftruncate`], `ETXTBSY`, `EROFS`, and what walking the path says. May sleep.
pub fn sys_truncate(ctx: &Ctx, path: u64, size: i64) -> Result<usize> {
    let size = offset(size)?;
    let dentry = ctx.resolve(AT_FDCWD, &user_path(path)?, true)?;
    let inode = dentry.inode();
    if !inode.is_regular() {
        return truncate(inode, size);
    }
    want_write(inode)?;
    let _access = WriteAccess::new(inode)?;
    truncate(inode, size)
}

/// `fallocate`: allocating and punching holes. `EBADF`, `EINVAL`, `EOPNOTSUPP` for the other modes, `EFBIG`, `ENOSPC`,
/// `EPERM` for a sealed file, `ESPIPE`, `EISDIR`, `ENODEV` for what is no file. May sleep.
pub fn sys_fallocate(ctx: &Ctx, fd: i32, mode: u32, start: i64, len: i64) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    let (start, len) = (offset(start)?, offset(len)?);
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    check_mode(mode)?;
    if !file.writable() {
        return Err(Errno::EBADF);
    }
    let end = start + len;
    let data = match (file.inode().mode() & S_IFMT, file.inode().content()) {
        (S_IFIFO, _) => return Err(Errno::ESPIPE),
        (S_IFDIR, _) => return Err(Errno::EISDIR),
        (S_IFREG, Content::Regular(_)) if end > MAX_SIZE => return Err(Errno::EFBIG),
        (S_IFREG, Content::Regular(data)) => data,
        (S_IFREG, _) => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENODEV),
    };
    if mode == 0 {
        longest::admit_size(data.size(), end)?;
    }
    match mode {
        0 | FALLOC_KEEP_SIZE => data.allocate(start, len, mode == FALLOC_KEEP_SIZE)?,
        _ if mode & FALLOC_PUNCH_HOLE != 0 => data.punch_hole(start, len)?,
        _ => return Err(Errno::EOPNOTSUPP),
    }
    file.inode().touch();
    Ok(0)
}

/// Which modes go together. `EOPNOTSUPP`, `EINVAL`.
fn check_mode(mode: u32) -> Result<()> {
    const PUNCH_AND_ZERO: u32 = FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE;
    let has = |bits| mode & bits != 0;
    let keeps = has(FALLOC_KEEP_SIZE);
    if mode & !FALLOC_ALL != 0
        || mode & PUNCH_AND_ZERO == PUNCH_AND_ZERO
        || (has(FALLOC_PUNCH_HOLE) && !keeps)
    {
        return Err(Errno::EOPNOTSUPP);
    }
    let alone = |bit: u32, with: u32| has(bit) && mode & !(bit | with) != 0;
    if alone(FALLOC_COLLAPSE_RANGE, 0)
        || alone(FALLOC_INSERT_RANGE, 0)
        || alone(FALLOC_UNSHARE_RANGE, FALLOC_KEEP_SIZE)
    {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// `fadvise64`: checked and forgotten. `EBADF`, `ESPIPE`, `EINVAL`.
pub fn sys_fadvise64(ctx: &Ctx, fd: i32, len: i64, advice: u32) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    match file.inode().mode() & S_IFMT {
        S_IFIFO => Err(Errno::ESPIPE),
        _ if len < 0 || advice > LAST_ADVICE => Err(Errno::EINVAL),
        _ => Ok(0),
    }
}

/// `readahead`: everything is in memory. `EBADF`, `EINVAL`.
pub fn sys_readahead(ctx: &Ctx, fd: i32) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    if !file.readable() {
        return Err(Errno::EBADF);
    }
    if file.inode().data().is_some() { Ok(0) } else { Err(Errno::EINVAL) }
}

/// `fsync` and `fdatasync`: everything is in memory. `EBADF`, `EINVAL` for what has no contents.
pub fn sys_fsync(ctx: &Ctx, fd: i32) -> Result<usize> {
    match ctx.io_file(fd)?.inode().content() {
        Content::Regular(_) | Content::Directory { .. } => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// `syncfs`. `EBADF`.
pub fn sys_syncfs(ctx: &Ctx, fd: i32) -> Result<usize> {
    ctx.io_file(fd).map(|_| 0)
}

/// `sync_file_range`. `EBADF`, `EINVAL`, `ESPIPE`.
pub fn sys_sync_file_range(ctx: &Ctx, fd: i32, start: i64, len: i64, flags: u32) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    if flags & !SYNC_RANGE != 0 || start < 0 || len < 0 || start.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    match file.inode().mode() & S_IFMT {
        S_IFREG | S_IFDIR | S_IFLNK => Ok(0),
        _ => Err(Errno::ESPIPE),
    }
}
