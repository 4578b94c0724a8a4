//! From one file to another without a detour through user memory. Models `fs/read_write.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::Ctx;
use crate::mm::user;
use crate::vfs::File;
use crate::vfs::file::{Position, verify_area};
use crate::vfs::flags::O_APPEND;
use crate::vfs::inode::{S_IFMT, S_IFREG};
use crate::vfs::io::{Bounce, KernelSink, partial};
use crate::vfs::ramfs::data::MAX_SIZE;

/// Most bytes one call transfers.
const MAX_RW: usize = 0x7fff_f000;

/// Where a transfer starts: what `at` points to, or the file's own position. `EINVAL`, `EFAULT`.
fn start(file: &File, at: u64) -> Result<u64> {
    if at == 0 {
        return Ok(file.pos());
    }
    u64::try_from(user::read::<i64>(at)?).map_err(|_| Errno::EINVAL)
}

/// Notes where it ended. `EFAULT`.
fn end(file: &File, at: u64, pos: u64) -> Result<()> {
    if at == 0 {
        file.set_pos(pos);
        return Ok(());
    }
    user::write(at, &pos)
}

fn is_regular(file: &File) -> bool {
    file.inode().mode() & S_IFMT == S_IFREG
}

/// Carries up to `count` bytes from `pos` of one file over to where `put` puts them, and returns how many. An error
/// counts only when there were none.
fn carry(from: &File, pos: u64, count: usize, mut put: impl FnMut(&[u8]) -> Result<usize>) -> Result<usize> {
    let mut bounce = Bounce::for_len(count)?;
    let mut done = 0;
    while done < count {
        let part = bounce.slice(count - done);
        let got = match from.pread(&mut KernelSink::new(part), pos + done as u64) {
            Ok(got) => got,
            Err(e) => return partial(done, Err(e)),
        };
        let there = match put(&part[..got]) {
            Ok(there) => there,
            Err(e) => return partial(done, Err(e)),
        };
        done += there;
        if there == 0 || there < got {
            break;
        }
    }
    Ok(done)
}

/// `sendfile`: from a regular file to any file. `EBADF`, `EINVAL`, `ESPIPE`, `EFAULT`. May sleep.
pub fn sys_sendfile(ctx: &Ctx, out: i32, from: i32, offset_at: u64, count: usize) -> Result<usize> {
    let from = ctx.io_file(from)?;
    if !from.readable() {
        return Err(Errno::EBADF);
    }
    if offset_at != 0 && from.ops().position() == Position::None {
        return Err(Errno::ESPIPE);
    }
    let pos = start(&from, offset_at)?;
    let count = count.min(MAX_RW);
    verify_area(pos, count)?;
    let to = ctx.io_file(out)?;
    if !to.writable() {
        return Err(Errno::EBADF);
    }
    if !is_regular(&from) || from.ops().position() == Position::None || to.flags() & O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let done = carry(&from, pos, count, |part| to.write(&mut &*part))?;
    if done > 0 {
        end(&from, offset_at, pos + done as u64)?;
    }
    Ok(done)
}

/// `copy_file_range`: between regular files of one filesystem. `EBADF`, `EINVAL`, `EISDIR`, `EXDEV`, `EOVERFLOW`,
/// `EFBIG`, `ENOSPC`, `EFAULT`. May sleep.
pub fn sys_copy_file_range(
    ctx: &Ctx,
    (from, from_at): (i32, u64),
    (to, to_at): (i32, u64),
    len: usize,
    flags: u32,
) -> Result<usize> {
    let (from, to) = (ctx.io_file(from)?, ctx.io_file(to)?);
    let (from_pos, to_pos) = (start(&from, from_at)?, start(&to, to_at)?);
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    check_pair(&from, &to)?;
    let past = |pos: u64| pos.checked_add(len as u64).map(drop).ok_or(Errno::EOVERFLOW);
    past(from_pos).and_then(|()| past(to_pos))?;
    let left = usize::try_from(from.inode().size().saturating_sub(from_pos)).unwrap_or(usize::MAX);
    let room = usize::try_from(MAX_SIZE.checked_sub(to_pos).filter(|&room| room > 0).ok_or(Errno::EFBIG)?);
    let count = len.min(left).min(room.unwrap_or(usize::MAX)).min(MAX_RW);
    let apart = from_pos + count as u64 <= to_pos || to_pos + count as u64 <= from_pos;
    if from.inode().ino() == to.inode().ino() && !apart {
        return Err(Errno::EINVAL);
    }
    let mut at = to_pos;
    let done = carry(&from, from_pos, count, |part| {
        let put = to.pwrite(&mut &*part, at)?;
        at += put as u64;
        Ok(put)
    })?;
    if done > 0 {
        end(&from, from_at, from_pos + done as u64)?;
        end(&to, to_at, at)?;
    }
    Ok(done)
}

fn check_pair(from: &File, to: &File) -> Result<()> {
    match () {
        () if from.inode().is_dir() || to.inode().is_dir() => Err(Errno::EISDIR),
        () if !is_regular(from) || !is_regular(to) => Err(Errno::EINVAL),
        () if !from.readable() || !to.writable() || to.flags() & O_APPEND != 0 => Err(Errno::EBADF),
        () if from.inode().dev() != to.inode().dev() => Err(Errno::EXDEV),
        () => Ok(()),
    }
}
