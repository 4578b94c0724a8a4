//! Loading and unloading of kernel modules.

use super::{call, with_path};
use crate::rt::abi::nr;
use heaps::uapi::errno::Result;

/// init_module: `image` with the parameters `params` (`name=value ...`).
pub fn init(image: &[u8], params: &str) -> Result<()> {
    with_path(params, |p| {
        // SAFETY: the kernel reads the slice and the C string at `p`.
        unsafe { call(nr::INIT_MODULE, [image.as_ptr() as usize, image.len(), p, 0, 0, 0]) }
    })
    .map(drop)
}

/// finit_module: the file behind `fd` with the parameters `params`.
pub fn init_file(fd: i32, params: &str) -> Result<()> {
    with_path(params, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::FINIT_MODULE, [fd as usize, p, 0, 0, 0, 0]) }
    })
    .map(drop)
}

/// delete_module with flags (`O_NONBLOCK`: do not wait).
pub fn delete(name: &str, flags: u32) -> Result<()> {
    with_path(name, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::DELETE_MODULE, [p, flags as usize, 0, 0, 0, 0]) }
    })
    .map(drop)
}
