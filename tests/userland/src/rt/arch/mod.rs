//! Everything of the runtime that is `unsafe`: entry, system calls, memory, threads.
//!
//! The wrappers are safe to call: each passes the kernel only memory it borrows for the time of the call.
#![allow(unsafe_code)]

#[cfg(target_os = "none")]
mod aarch64;
#[cfg(target_os = "none")]
use aarch64 as machine;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
use host as machine;

pub mod allocator;
pub mod expendable;
pub mod file;
pub mod fp;
pub mod job;
pub mod lock;
pub mod memory;
pub mod module;
pub mod process;
pub mod signal;
pub mod socket;
pub mod start;
pub mod thread;
pub mod time;
pub mod trap;
pub mod wild;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// A system call.
///
/// # Safety
/// The memory that call `nr` reads or writes through `args` is the caller's to lend, and nothing the
/// call maps, unmaps or starts breaks a borrow.
unsafe fn call(nr: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller's promise.
    Errno::from_syscall(unsafe { machine::svc(nr, args) })
}

/// A system call that touches no memory of ours: numbers in, a number out.
macro_rules! plain_call {
    ($nr:expr $(, $arg:expr)*) => {{
        let mut args = [0usize; 6];
        let mut _next = args.iter_mut();
        $( *_next.next().expect("at most six arguments") = $arg as usize; )*
        // SAFETY: the call takes no pointers.
        unsafe { $crate::rt::arch::call($nr, args) }
    }};
}
use plain_call;

/// Longest path the wrappers pass on, in bytes, with its NUL.
const PATH_MAX: usize = 256;

/// Runs `f` with the address of `path` as a C string.
fn with_path<T>(path: impl AsRef<[u8]>, f: impl FnOnce(usize) -> Result<T>) -> Result<T> {
    let path = path.as_ref();
    let mut bytes = [0u8; PATH_MAX];
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if path.contains(&0) {
        return Err(Errno::EINVAL);
    }
    bytes[..path.len()].copy_from_slice(path);
    f(bytes.as_ptr() as usize)
}
