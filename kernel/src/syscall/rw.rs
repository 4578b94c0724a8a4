//! Reading, writing, seeking, listing. Models `fs/read_write.c`, `fs/readdir.c`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, IntoBytes};

use super::Ctx;
use crate::mm::aspace::USER_END;
use crate::mm::user;
use crate::vfs::dir::DirSink;
use crate::vfs::file::Whence;
use crate::vfs::io::{UserBuf, UserVec};

/// Most bytes one call transfers.
const MAX_RW: usize = 0x7fff_f000;
/// Most ranges `readv` and `writev` take.
pub(super) const IOV_MAX: usize = 1024;

pub(super) fn buffer(addr: u64, len: usize) -> UserBuf {
    UserBuf::new(addr, len.min(MAX_RW))
}

/// The same, of memory that user space could have at all. `EFAULT`.
fn checked_buffer(addr: u64, len: usize) -> Result<UserBuf> {
    let end = addr.checked_add(len as u64).filter(|&end| end <= USER_END);
    end.map(|_| buffer(addr, len)).ok_or(Errno::EFAULT)
}

fn offset(pos: i64) -> Result<u64> {
    u64::try_from(pos).map_err(|_| Errno::EINVAL)
}

/// `read`. `EBADF`, `EFAULT`, and what the file says. May sleep.
pub fn sys_read(ctx: &Ctx, fd: i32, addr: u64, len: usize) -> Result<usize> {
    let file = ctx.file(fd)?;
    file.may_read()?;
    file.read(&mut checked_buffer(addr, len)?)
}

/// `write`. As [`sys_read`].
pub fn sys_write(ctx: &Ctx, fd: i32, addr: u64, len: usize) -> Result<usize> {
    let file = ctx.file(fd)?;
    file.may_write()?;
    file.write(&mut checked_buffer(addr, len)?)
}

/// `pread64`. Also `ESPIPE`, `EINVAL`.
pub fn sys_pread64(ctx: &Ctx, fd: i32, addr: u64, len: usize, pos: i64) -> Result<usize> {
    ctx.file(fd)?.pread(&mut buffer(addr, len), offset(pos)?)
}

/// `pwrite64`. As [`sys_pread64`].
pub fn sys_pwrite64(ctx: &Ctx, fd: i32, addr: u64, len: usize, pos: i64) -> Result<usize> {
    ctx.file(fd)?.pwrite(&mut buffer(addr, len), offset(pos)?)
}

/// `struct iovec`.
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct IoVec {
    addr: u64,
    len: u64,
}

/// Reads an array of `struct iovec`. `EINVAL` when there are too many or their lengths do not fit, `EFAULT`.
pub(super) fn ranges(addr: u64, count: usize) -> Result<UserVec> {
    if count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let mut parts = Vec::new();
    parts.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    let mut left = MAX_RW;
    for i in 0..count {
        let range: IoVec = user::read(addr.wrapping_add((i * size_of::<IoVec>()) as u64))?;
        let len = isize::try_from(range.len).map_err(|_| Errno::EINVAL)? as usize;
        checked_buffer(range.addr, len)?;
        parts.push(UserBuf::new(range.addr, len.min(left)));
        left -= len.min(left);
    }
    Ok(UserVec::new(parts))
}

/// `readv`. As [`sys_read`], and `EINVAL`.
pub fn sys_readv(ctx: &Ctx, fd: i32, vec: u64, count: usize) -> Result<usize> {
    ctx.file(fd)?.read(&mut ranges(vec, count)?)
}

/// `writev`. As [`sys_readv`].
pub fn sys_writev(ctx: &Ctx, fd: i32, vec: u64, count: usize) -> Result<usize> {
    ctx.file(fd)?.write(&mut ranges(vec, count)?)
}

/// `preadv`. As [`sys_readv`] and [`sys_pread64`].
pub fn sys_preadv(ctx: &Ctx, fd: i32, vec: u64, count: usize, pos: i64) -> Result<usize> {
    ctx.file(fd)?.pread(&mut ranges(vec, count)?, offset(pos)?)
}

/// `pwritev`. As [`sys_preadv`].
pub fn sys_pwritev(ctx: &Ctx, fd: i32, vec: u64, count: usize, pos: i64) -> Result<usize> {
    ctx.file(fd)?.pwrite(&mut ranges(vec, count)?, offset(pos)?)
}

/// The position of `preadv2` and `pwritev2` that stands for the file's own.
const OWN_POSITION: i64 = -1;
/// `RWF_HIPRI`, `RWF_DSYNC`, `RWF_SYNC`: there is nothing to wait for.
const RWF_NO_EFFECT: u32 = 1 | 2 | 4;

/// `RWF_APPEND`.
const RWF_APPEND: u32 = 0x10;

/// `preadv2`. As [`sys_preadv`]; `EOPNOTSUPP` for flags that files in memory do not take.
pub fn sys_preadv2(ctx: &Ctx, fd: i32, vec: u64, count: usize, pos: i64, flags: u32) -> Result<usize> {
    let (file, mut to) = (ctx.file(fd)?, ranges(vec, count)?);
    if flags & !(RWF_NO_EFFECT | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if pos == OWN_POSITION { file.read(&mut to) } else { file.pread(&mut to, offset(pos)?) }
}

/// `pwritev2`. As [`sys_preadv2`].
pub fn sys_pwritev2(ctx: &Ctx, fd: i32, vec: u64, count: usize, pos: i64, flags: u32) -> Result<usize> {
    let (file, mut from) = (ctx.file(fd)?, ranges(vec, count)?);
    if flags & !(RWF_NO_EFFECT | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags & RWF_APPEND != 0 {
        let moves = pos == OWN_POSITION;
        if !moves {
            offset(pos)?;
        }
        return file.append(&mut from, moves);
    }
    if pos == OWN_POSITION { file.write(&mut from) } else { file.pwrite(&mut from, offset(pos)?) }
}

/// `lseek`. `EBADF`, `ESPIPE`, `EINVAL`, `EOVERFLOW`.
pub fn sys_lseek(ctx: &Ctx, fd: i32, offset: i64, whence: u32) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    file.lseek(offset, Whence::from_raw(whence)?).map(|pos| pos as usize)
}

/// `getdents64`. `EBADF`, `ENOTDIR`, `EFAULT`, `EINVAL` when the buffer is too small for one entry. May sleep.
pub fn sys_getdents64(ctx: &Ctx, fd: i32, addr: u64, len: usize) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    if !file.inode().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    let mut to = buffer(addr, len);
    let mut sink = DirSink::new(&mut to);
    file.iterate(&mut sink)?;
    Ok(sink.done())
}
