//! Mounting and unmounting. Models `fs/namespace.c`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::Ctx;
use super::ctx::user_path;
use crate::mm::user;
use crate::vfs::flags::AT_FDCWD;
use crate::vfs::mount_options::Options;
use crate::vfs::mounts::{self, Kind};

const MS_REMOUNT: u32 = 32;
const MS_BIND: u32 = 4096;
const MS_MOVE: u32 = 8192;
/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
const MS_PROPAGATION: u32 = 0xf << 17;
/// `MS_REC`, `MS_SILENT`.
const MS_WITH_PROPAGATION: u32 = 0x4000 | 0x8000;
/// An old way to say that the flags are flags.
const MS_MGC_VAL: u32 = 0xc0ed_0000;
const MS_MGC_MSK: u32 = 0xffff_0000;

const MNT_FORCE: u32 = 1;
const MNT_DETACH: u32 = 2;
const UMOUNT_NOFOLLOW: u32 = 8;

/// Longest option text, its NUL counted.
const OPTIONS_MAX: usize = 4096;

fn string(addr: u64) -> Result<Vec<u8>> {
    if addr == 0 {
        return Ok(Vec::new());
    }
    user::read_cstr(addr, OPTIONS_MAX - 1)
        .map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })
}

/// `mount`: new filesystems, bind mounts, moving them, and remounting with another size or other flags; those are a
/// filesystem's, not a place's. There is one namespace, so propagation is accepted for what it is there. `ENODEV`, `ENOTDIR`, `EBUSY`,
/// `ENOSPC`, `EFAULT` and what walking says. May sleep.
pub fn sys_mount(ctx: &Ctx, source: u64, target: u64, kind: u64, flags: u32, data: u64) -> Result<usize> {
    let flags = if flags & MS_MGC_MSK == MS_MGC_VAL { flags & !MS_MGC_MSK } else { flags };
    let (kind_name, source_name) = (string(kind)?, string(source)?);
    let options = string(data)?;
    let at = ctx.resolve(AT_FDCWD, &user_path(target)?, true)?;
    let text = core::str::from_utf8(&options).map_err(|_| Errno::EINVAL)?;
    match flags {
        _ if flags & MS_REMOUNT != 0 => {
            if flags & MS_BIND != 0 {
                mounts::change_flags(&at, flags)?;
            } else {
                mounts::remount(&at, Options::parse(text, true)?, flags)?;
            }
        }
        _ if flags & MS_BIND != 0 => {
            let of = ctx.resolve(AT_FDCWD, &source_name, true)?;
            mounts::bind(&at, &of)?;
        }
        _ if flags & MS_PROPAGATION != 0 => {
            let kinds = (flags & MS_PROPAGATION).count_ones();
            if kinds != 1 || flags & !(MS_PROPAGATION | MS_WITH_PROPAGATION) != 0 || !at.is_mount() {
                return Err(Errno::EINVAL);
            }
        }
        _ if flags & MS_MOVE != 0 => {
            let from = ctx.resolve(AT_FDCWD, &source_name, true)?;
            mounts::relocate(&from, &at)?;
        }
        _ if kind == 0 => return Err(Errno::EINVAL),
        _ => {
            let kind = Kind::from_name(&kind_name)?;
            let options = Options::parse(text, matches!(kind, Kind::Tmpfs | Kind::Devtmpfs))?;
            let name = if source == 0 { b"none".to_vec() } else { source_name };
            mounts::mount(&at, kind, name, options, flags)?;
        }
    }
    Ok(0)
}

/// `umount2`. `EINVAL` where nothing is mounted, `EBUSY`, and what walking says. May sleep.
pub fn sys_umount2(ctx: &Ctx, target: u64, flags: u32) -> Result<usize> {
    if flags & !(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let at = ctx.resolve(AT_FDCWD, &user_path(target)?, flags & UMOUNT_NOFOLLOW == 0)?;
    mounts::unmount(&at, flags & MNT_DETACH != 0).map(|()| 0)
}
