//! Loading and unloading modules. Models the system calls of `kernel/module/main.c`.
#![forbid(unsafe_code)]

use alloc::string::String;

use heaps::{Errno, Result};

use super::Ctx;
use crate::mm::user;
use crate::modules::{self, file::File};

/// Longest module name and parameter text, in bytes.
const MAX_PARAMS: usize = 4096;
const MAX_NAME: usize = 255;
/// Bytes of an ELF header: no module is shorter.
const HEADER: usize = 64;

/// `finit_module`: symbol versions are not looked at; there are none.
const IGNORE_MODVERSIONS: u32 = 1;
/// `finit_module`: the version magic is not looked at.
const IGNORE_VERMAGIC: u32 = 2;
/// `finit_module`: the file is compressed.
const COMPRESSED_FILE: u32 = 4;

fn text(addr: u64, max: usize) -> Result<String> {
    String::from_utf8(user::read_cstr(addr, max)?).map_err(|_| Errno::EINVAL)
}

fn params(addr: u64) -> Result<String> {
    text(addr, MAX_PARAMS).map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })
}

/// `init_module`. `ENOEXEC` for what is no module, `EFAULT`, and what [`modules::load`] says. May sleep.
pub fn sys_init_module(addr: u64, len: usize, params_at: u64) -> Result<usize> {
    if len < HEADER {
        return Err(Errno::ENOEXEC);
    }
    let mut image = modules::buffer(len).map_err(|_| Errno::ENOMEM)?;
    user::read_bytes(addr, &mut image)?;
    let file = File::parse(&image)?;
    modules::load(&file, &params(params_at)?).map(|()| 0)
}

/// `finit_module`. `EBADF` for a descriptor that is none, or not for reading; `EINVAL` for unknown flags, for what is no
/// regular file or is empty; `ETXTBSY` while somebody may write to it; `EOPNOTSUPP` for compressed files, `ENOEXEC` where the version magic is to be ignored, which
/// would be to run anything; otherwise as [`sys_init_module`].
pub fn sys_finit_module(ctx: &Ctx, fd: i32, params_at: u64, flags: u32) -> Result<usize> {
    if flags & !(IGNORE_MODVERSIONS | IGNORE_VERMAGIC | COMPRESSED_FILE) != 0 {
        return Err(Errno::EINVAL);
    }
    let open = ctx.io_file(fd)?;
    if !open.readable() {
        return Err(Errno::EBADF);
    }
    let image = modules::read(&open)?;
    if flags & COMPRESSED_FILE != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let file = File::parse(&image)?;
    if flags & IGNORE_VERMAGIC != 0 {
        return Err(Errno::ENOEXEC);
    }
    modules::load(&file, &params(params_at)?).map(|()| 0)
}

/// `delete_module`. `EFAULT`, and what [`modules::delete`] says. May sleep.
pub fn sys_delete_module(name: u64, flags: u32) -> Result<usize> {
    let name = text(name, MAX_NAME).map_err(|e| if e == Errno::EFAULT { e } else { Errno::ENOENT })?;
    modules::delete(&name, flags).map(|()| 0)
}
