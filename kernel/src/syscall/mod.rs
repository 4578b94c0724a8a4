//! System calls by subject. Each is a function of what the caller has and of the call's arguments, and returns what
//! user space gets.
//!
//! | file | arm64 numbers |
//! |---|---|
//! | [`fd`] | dup 23, dup3 24, fcntl 25, ioctl 29, close 57, pipe2 59, fsync 82, fdatasync 83, close_range 436 |
//! | [`rw`] | truncate 45, ftruncate 46, getdents64 61, lseek 62, read 63, write 64, readv 65, writev 66, pread64 67, pwrite64 68, preadv 69, pwritev 70, sendfile 71 |
//! | [`names`] | getcwd 17, mknodat 33, mkdirat 34, unlinkat 35, symlinkat 36, linkat 37, renameat 38, chdir 49, fchdir 50, fchmod 52, fchmodat 53, fchownat 54, fchown 55, openat 56, readlinkat 78, utimensat 88, umask 166, renameat2 276 |
//! | [`attr`] | statfs 43, fstatfs 44, faccessat 48, newfstatat 79, fstat 80, statx 291, faccessat2 439 |
//! | [`module`] | init_module 105, delete_module 106, finit_module 273 |
#![forbid(unsafe_code)]

pub mod attr;
pub mod ctx;
pub mod fd;
pub mod module;
pub mod names;
pub mod rw;
#[cfg(test)]
mod tests;

pub use ctx::Ctx;
