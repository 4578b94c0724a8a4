//! The flags of `openat` and its relatives, with arm64's values (`arch/arm64/include/uapi/asm/fcntl.h`).
#![forbid(unsafe_code)]

pub use heaps::uapi::fcntl::{O_ACCMODE, O_CLOEXEC, O_RDONLY, O_RDWR, O_WRONLY};

/// Create the file if it is not there.
pub const O_CREAT: u32 = 0o100;
/// Fail if it is there.
pub const O_EXCL: u32 = 0o200;
/// Do not become the controlling terminal.
pub const O_NOCTTY: u32 = 0o400;
/// Cut to nothing.
pub const O_TRUNC: u32 = 0o1000;
/// Every write goes to the end.
pub const O_APPEND: u32 = 0o2000;
/// Do not block.
pub const O_NONBLOCK: u32 = 0o4000;
/// Fail if it is not a directory.
pub const O_DIRECTORY: u32 = 0o40000;
/// Fail if it is a symbolic link.
pub const O_NOFOLLOW: u32 = 0o100000;
/// Bypass caches: refused but for pipes, which take it for packets; they carry bytes all the same.
pub const O_DIRECT: u32 = 0o200000;
/// Signal when the file becomes ready.
pub const O_ASYNC: u32 = 0o20000;
/// Do not note accesses.
pub const O_NOATIME: u32 = 0o1000000;
/// Files may be large; always so.
pub const O_LARGEFILE: u32 = 0o400000;
/// Only name the file.
pub const O_PATH: u32 = 0o10000000;
/// A file without a name.
pub const O_TMPFILE: u32 = 0o20000000;

/// The directory argument that stands for the current directory.
pub const AT_FDCWD: i32 = -100;
/// Do not follow a link at the end.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// Remove a directory.
pub const AT_REMOVEDIR: u32 = 0x200;
/// Follow a link at the end.
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// Never trigger an automount; there are none.
pub const AT_NO_AUTOMOUNT: u32 = 0x800;
/// An empty path means the directory argument itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;

#[cfg(test)]
mod tests {
    use linux_raw_sys::general as linux;

    #[test]
    fn the_portable_numbers_are_linux_s() {
        assert_eq!(super::O_CREAT, linux::O_CREAT);
        assert_eq!(super::O_EXCL, linux::O_EXCL);
        assert_eq!(super::O_TRUNC, linux::O_TRUNC);
        assert_eq!(super::O_APPEND, linux::O_APPEND);
        assert_eq!(super::O_NONBLOCK, linux::O_NONBLOCK);
        assert_eq!(super::O_PATH, linux::O_PATH);
        assert_eq!(super::AT_FDCWD, linux::AT_FDCWD);
        assert_eq!(super::AT_REMOVEDIR, linux::AT_REMOVEDIR);
        assert_eq!(super::AT_EMPTY_PATH, linux::AT_EMPTY_PATH);
    }
}
