//! Loading and unloading modules. Models the system calls of `kernel/module/main.c`.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::Ctx;
use crate::mm::user;
use crate::modules::{self, MAX_IMAGE};
use crate::vfs::io::KernelSink;

/// Longest module name and parameter text, in bytes.
const MAX_PARAMS: usize = 4096;
const MAX_NAME: usize = 255;

fn text(addr: u64, max: usize) -> Result<String> {
    String::from_utf8(user::read_cstr(addr, max)?).map_err(|_| Errno::EINVAL)
}

fn params(addr: u64) -> Result<String> {
    text(addr, MAX_PARAMS).map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })
}

fn image_buffer(len: usize) -> Result<Vec<u8>> {
    if len > MAX_IMAGE {
        return Err(Errno::ENOEXEC);
    }
    let mut image = Vec::new();
    image.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    image.resize(len, 0);
    Ok(image)
}

/// `init_module`. `EFAULT`, and what [`modules::init`] says. May sleep.
pub fn sys_init_module(addr: u64, len: usize, params_at: u64) -> Result<usize> {
    let mut image = image_buffer(len)?;
    user::read_bytes(addr, &mut image)?;
    modules::init(&image, &params(params_at)?).map(|()| 0)
}

/// `finit_module`. `EBADF`, `EINVAL` for flags; otherwise as [`sys_init_module`].
pub fn sys_finit_module(ctx: &Ctx, fd: i32, params_at: u64, flags: u32) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.io_file(fd)?;
    let mut image = image_buffer(usize::try_from(file.inode().size()).map_err(|_| Errno::ENOEXEC)?)?;
    let got = file.pread(&mut KernelSink::new(&mut image), 0)?;
    modules::init(&image[..got], &params(params_at)?).map(|()| 0)
}

/// `delete_module`. `EFAULT`, and what [`modules::delete`] says. May sleep.
pub fn sys_delete_module(name: u64, flags: u32) -> Result<usize> {
    let name = text(name, MAX_NAME).map_err(|e| if e == Errno::EFAULT { e } else { Errno::ENOENT })?;
    modules::delete(&name, flags).map(|()| 0)
}
