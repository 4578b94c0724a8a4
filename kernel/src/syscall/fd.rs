//! Descriptors: closing, duplicating, their flags, and `ioctl`. Models `fs/file.c`, `fs/fcntl.c`, `fs/ioctl.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::locks::{F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW};
use super::{Ctx, locks, memfd};
use crate::mm::user;
use crate::process::signal::MAX_SIGNAL;
use crate::process::tree;
use crate::vfs::File;
use crate::vfs::file::{Ioctl, SETFL_MASK};
use crate::vfs::flags::{O_CLOEXEC, O_DIRECT, O_NONBLOCK};
use crate::vfs::inode::{S_IFDIR, S_IFIFO, S_IFMT, S_IFREG};
use crate::vfs::pipe;
use crate::vfs::stat::BLOCK_SIZE;

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_SETOWN: u32 = 8;
const F_GETOWN: u32 = 9;
const F_SETSIG: u32 = 10;
const F_GETSIG: u32 = 11;
const F_SETOWN_EX: u32 = 15;
const F_GETOWN_EX: u32 = 16;
/// A thread: kept as if it were a process.
const F_OWNER_TID: i32 = 0;
const F_OWNER_PID: i32 = 1;
const F_OWNER_PGRP: i32 = 2;
const F_GETLEASE: u32 = 1025;
const F_UNLCK: usize = 2;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const F_ADD_SEALS: u32 = 1033;
const F_GET_SEALS: u32 = 1034;
const FD_CLOEXEC: u64 = 1;

const FIOCLEX: u32 = 0x5451;
const FIONCLEX: u32 = 0x5450;
const FIONBIO: u32 = 0x5421;
const FIOASYNC: u32 = 0x5452;
const FIONREAD: u32 = 0x541b;
const FIOQSIZE: u32 = 0x5460;
const FIGETBSZ: u32 = 2;
const FICLONE: u32 = 0x4004_9409;

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `close`. `EBADF`. May sleep.
pub fn sys_close(ctx: &Ctx, fd: i32) -> Result<usize> {
    ctx.files.close(ctx.files.remove(fd)?);
    Ok(0)
}

/// `close_range`. `EINVAL`. May sleep.
pub fn sys_close_range(ctx: &Ctx, first: u32, last: u32, flags: u32) -> Result<usize> {
    if first > last || flags & !(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        ctx.files.cloexec_range(first as usize, last as usize);
    } else {
        ctx.files.close_range(first as usize, last as usize);
    }
    Ok(0)
}

/// `dup`. `EBADF`, `EMFILE`.
pub fn sys_dup(ctx: &Ctx, fd: i32) -> Result<usize> {
    ctx.files.add(ctx.file(fd)?, false)
}

/// `dup3`. `EBADF`, `EINVAL`, `EBUSY`. May sleep: it closes what it replaces.
pub fn sys_dup3(ctx: &Ctx, old: i32, new: i32, flags: u32) -> Result<usize> {
    if flags & !O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    let file = ctx.file(old)?;
    if let Some(before) = ctx.files.replace(new, file, flags & O_CLOEXEC != 0)? {
        ctx.files.close(before);
    }
    Ok(new as usize)
}

/// `fcntl`: duplicating, `FD_CLOEXEC`, the status flags, locks, pipes' sizes, seals. `EINVAL` for the rest.
pub fn sys_fcntl(ctx: &Ctx, fd: i32, cmd: u32, arg: u64) -> Result<usize> {
    let file = ctx.file(fd)?;
    match cmd {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let from = usize::try_from(arg as i32).map_err(|_| Errno::EINVAL)?;
            let slot = ctx.files.reserve_from(from, cmd == F_DUPFD_CLOEXEC)?;
            Ok(slot.install(file))
        }
        F_GETFD => ctx.files.cloexec(fd).map(usize::from),
        F_SETFD => ctx.files.set_cloexec(fd, arg & FD_CLOEXEC != 0).map(|()| 0),
        F_GETFL => Ok(file.flags() as usize),
        // Of a file that is only a name, the descriptor alone can be asked about.
        _ if file.is_path() => Err(Errno::EBADF),
        F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => {
            locks::fcntl(ctx, &file, cmd, arg)
        }
        F_GETOWN => Ok(file.signal_owner() as isize as usize),
        F_SETOWN => set_owner(&file, arg as i32),
        F_GETOWN_EX => {
            let owner = file.signal_owner();
            let kind = if owner < 0 { F_OWNER_PGRP } else { F_OWNER_PID };
            user::write(arg, &[kind, owner.abs()]).map(|()| 0)
        }
        F_SETOWN_EX => {
            let [kind, who]: [i32; 2] = user::read(arg)?;
            match kind {
                F_OWNER_TID..=F_OWNER_PGRP if who < 0 => Err(Errno::ESRCH),
                F_OWNER_TID | F_OWNER_PID => set_owner(&file, who),
                F_OWNER_PGRP => set_owner(&file, -who),
                _ => Err(Errno::EINVAL),
            }
        }
        F_GETSIG => Ok(file.signal() as usize),
        F_SETSIG if arg > u64::from(MAX_SIGNAL) => Err(Errno::EINVAL),
        F_SETSIG => {
            file.set_signal(arg as u32);
            Ok(0)
        }
        // Nobody can take one.
        F_GETLEASE => Ok(F_UNLCK),
        F_SETPIPE_SZ => file.ops().pipe_size(Some(arg as u32 as usize)),
        F_GETPIPE_SZ => file.ops().pipe_size(None),
        F_ADD_SEALS => memfd::add_seals(&file, arg),
        F_GET_SEALS => memfd::get_seals(&file),
        F_SETFL if arg as u32 & O_DIRECT != 0 && file.inode().mode() & S_IFMT != S_IFIFO => {
            Err(Errno::EINVAL)
        }
        F_SETFL => {
            file.set_flags(arg as u32);
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `fcntl(F_SETOWN)`: a process, a group below zero, nobody for 0. `EINVAL`, `ESRCH`.
fn set_owner(file: &File, owner: i32) -> Result<usize> {
    let who = owner.checked_abs().ok_or(Errno::EINVAL)? as u32;
    if who != 0 && !tree::lock().nodes().any(|(&pid, node)| pid == who || node.pgid == who) {
        return Err(Errno::ESRCH);
    }
    file.set_signal_owner(owner);
    Ok(0)
}

/// `ioctl`. `EBADF`, and what the file says. May sleep.
pub fn sys_ioctl(ctx: &Ctx, fd: i32, cmd: u32, arg: u64) -> Result<usize> {
    let file = ctx.io_file(fd)?;
    match cmd {
        FIOCLEX | FIONCLEX => ctx.files.set_cloexec(fd, cmd == FIOCLEX).map(|()| 0),
        FIONBIO => {
            let on: i32 = user::read(arg)?;
            let others = file.flags() & SETFL_MASK & !O_NONBLOCK;
            file.set_flags(if on != 0 { others | O_NONBLOCK } else { others });
            Ok(0)
        }
        // Nothing that takes O_ASYNC is there: turning it off where it is off is no change.
        FIOASYNC => match user::read::<i32>(arg)? {
            0 => Ok(0),
            _ => Err(Errno::ENOTTY),
        },
        FIOQSIZE => {
            let inode = file.inode();
            match inode.mode() & S_IFMT {
                S_IFREG | S_IFDIR => user::write(arg, &(512 * inode.blocks())).map(|()| 0),
                _ => Err(Errno::ENOTTY),
            }
        }
        FIGETBSZ => user::write(arg, &BLOCK_SIZE).map(|()| 0),
        FICLONE => clone_file(ctx, arg as i32, &file),
        FIONREAD if file.inode().mode() & S_IFMT == S_IFREG => {
            let left = file.inode().size().wrapping_sub(file.pos());
            user::write(arg, &(left as u32)).map(|()| 0)
        }
        _ => file.ops().ioctl(&file, &Ioctl { cmd, arg, files: ctx.files }),
    }
}

/// `FICLONE`: no filesystem here shares blocks between files. `EBADF`, `EXDEV`, `EOPNOTSUPP`.
fn clone_file(ctx: &Ctx, from: i32, to: &File) -> Result<usize> {
    let from = ctx.io_file(from)?;
    let apart = from.inode().dev() != to.inode().dev();
    Err(if apart { Errno::EXDEV } else { Errno::EOPNOTSUPP })
}

/// `pipe2`. `EINVAL`, `EMFILE`, `ENFILE`, `EFAULT`; on an error no descriptor is left behind.
pub fn sys_pipe2(ctx: &Ctx, fds: u64, flags: u32) -> Result<usize> {
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let cloexec = flags & O_CLOEXEC != 0;
    let (reader, writer) = pipe::new(flags & O_NONBLOCK)?;
    let (slot0, slot1) = (ctx.files.reserve(cloexec)?, ctx.files.reserve(cloexec)?);
    user::write(fds, &[slot0.fd() as u32, slot1.fd() as u32])?;
    slot0.install(reader);
    slot1.install(writer);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_numbers_of_ioctls_are_linux_s() {
        macro_rules! held {
            ($($name:ident),*) => { $(assert_eq!($name, linux::$name, stringify!($name));)* };
        }
        held!(FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIONREAD, FIOQSIZE, FIGETBSZ, FICLONE);
    }
}
