//! Files and descriptors.

use super::{call, plain_call, with_path};
use crate::rt::abi::{self, nr};
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::Command;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A descriptor that is closed when it goes.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Opens `path` (`O_*` flags; new files get mode 0644).
    pub fn open(path: &str, flags: u32) -> Result<Fd> {
        open_raw(path, flags).map(Fd)
    }

    /// Takes over a descriptor that the kernel gave out.
    pub fn from_raw(fd: i32) -> Fd {
        Fd(fd)
    }

    /// The number, which stays owned.
    pub fn raw(&self) -> i32 {
        self.0
    }

    /// Gives the number away; nobody closes it.
    pub fn into_raw(self) -> i32 {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }

    /// Closes it and says what the kernel said.
    pub fn close(self) -> Result<()> {
        close(self.into_raw())
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = close(self.0);
    }
}

/// openat from the working directory, as a bare number.
pub fn open_raw(path: &str, flags: u32) -> Result<i32> {
    open_at(abi::AT_FDCWD, path, flags)
}

/// openat; new files get mode 0644.
pub fn open_at(dir: i32, path: impl AsRef<[u8]>, flags: u32) -> Result<i32> {
    with_path(path, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::OPENAT, [dir as usize, p, flags as usize, 0o644, 0, 0]) }
    })
    .map(|fd| fd as i32)
}

/// Makes a file that may be executed (mode 0755) of these bytes.
pub fn write_program(path: &str, image: &[u8]) -> Result<()> {
    let flags = abi::O_WRONLY | abi::O_CREAT | abi::O_TRUNC | abi::O_CLOEXEC;
    let fd = with_path(path, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::OPENAT, [abi::AT_FDCWD as usize, p, flags as usize, 0o755, 0, 0]) }
    })?;
    write_all(Fd(fd as i32).raw(), image)
}

/// close.
pub fn close(fd: i32) -> Result<()> {
    plain_call!(nr::CLOSE, fd).map(drop)
}

/// read: the number of bytes, 0 at the end.
pub fn read(fd: i32, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes into the slice alone.
    unsafe { call(nr::READ, [fd as usize, into.as_mut_ptr() as usize, into.len(), 0, 0, 0]) }
}

/// Reads until `into` is full or the file ends; the number of bytes.
pub fn read_full(fd: i32, into: &mut [u8]) -> Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match read(fd, &mut into[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// write: the number of bytes taken.
pub fn write(fd: i32, from: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads the slice alone.
    unsafe { call(nr::WRITE, [fd as usize, from.as_ptr() as usize, from.len(), 0, 0, 0]) }
}

/// Writes everything.
pub fn write_all(fd: i32, mut from: &[u8]) -> Result<()> {
    while !from.is_empty() {
        match write(fd, from)? {
            0 => return Err(Errno::EIO),
            n => from = &from[n..],
        }
    }
    Ok(())
}

/// lseek: the new offset.
pub fn seek(fd: i32, offset: i64, whence: u32) -> Result<u64> {
    plain_call!(nr::LSEEK, fd, offset, whence).map(|at| at as u64)
}

/// dup.
pub fn dup(fd: i32) -> Result<i32> {
    plain_call!(nr::DUP, fd).map(|fd| fd as i32)
}

/// dup3.
pub fn dup3(fd: i32, to: i32, flags: u32) -> Result<i32> {
    plain_call!(nr::DUP3, fd, to, flags).map(|fd| fd as i32)
}

/// ftruncate.
pub fn truncate(fd: i32, size: u64) -> Result<()> {
    plain_call!(nr::FTRUNCATE, fd, size).map(drop)
}

/// flock.
pub fn flock(fd: i32, operation: usize) -> Result<()> {
    plain_call!(nr::FLOCK, fd, operation).map(drop)
}

/// memfd_create.
pub fn memfd(name: &str, flags: usize) -> Result<Fd> {
    // SAFETY: the kernel reads the C string at `p`.
    with_path(name, |p| unsafe { call(nr::MEMFD_CREATE, [p, flags, 0, 0, 0, 0]) }).map(|fd| Fd(fd as i32))
}

/// A FIFO, mode 0644.
pub fn make_fifo(path: &str) -> Result<()> {
    let mode = (abi::S_IFIFO | 0o644) as usize;
    // SAFETY: the kernel reads the C string at `p`.
    with_path(path, |p| unsafe { call(nr::MKNODAT, [abi::AT_FDCWD as usize, p, mode, 0, 0, 0]) }).map(drop)
}

/// Mounts a tmpfs.
pub fn mount_tmpfs(path: &str, options: &str) -> Result<()> {
    with_path(path, |at| {
        with_path("tmpfs", |kind| {
            // SAFETY: the kernel reads the C strings.
            with_path(options, |data| unsafe { call(nr::MOUNT, [kind, at, kind, 0, data, 0]) })
        })
    })
    .map(drop)
}

/// umount2.
pub fn unmount(path: &str, flags: usize) -> Result<()> {
    // SAFETY: the kernel reads the C string at `p`.
    with_path(path, |p| unsafe { call(nr::UMOUNT2, [p, flags, 0, 0, 0, 0]) }).map(drop)
}

/// fcntl with a number as argument (none of the `F_*` that take a pointer may be passed).
pub fn fcntl(fd: i32, command: usize, arg: usize) -> Result<usize> {
    let plain = [abi::F_DUPFD, abi::F_GETFD, abi::F_SETFD, abi::F_GETFL, abi::F_DUPFD_CLOEXEC];
    if !plain.contains(&command) && command <= 16 {
        return Err(Errno::EINVAL);
    }
    plain_call!(nr::FCNTL, fd, command, arg)
}

/// An ioctl whose argument the kernel may read and write.
pub fn ioctl<T: FromBytes + IntoBytes>(fd: i32, command: Command, arg: &mut T) -> Result<usize> {
    if command.size() > size_of::<T>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the number's size field bounds what the kernel touches, and `arg` is at least as long; any
    // bytes the kernel leaves there are a valid `T`.
    unsafe {
        call(nr::IOCTL, [fd as usize, command.raw() as usize, core::ptr::from_mut(arg) as usize, 0, 0, 0])
    }
}

/// What fstat says (`asm-generic/stat.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[allow(missing_docs)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    _pad1: u64,
    pub size: i64,
    pub blksize: i32,
    _pad2: i32,
    pub blocks: i64,
    pub times: [u64; 6],
    _unused: [u32; 2],
}

/// fstat.
pub fn stat(fd: i32) -> Result<Stat> {
    let mut stat = Stat::default();
    // SAFETY: the kernel writes one `Stat`.
    unsafe { call(nr::FSTAT, [fd as usize, &raw mut stat as usize, 0, 0, 0, 0]) }?;
    Ok(stat)
}

/// newfstatat.
pub fn stat_at(dir: i32, path: &str, flags: u32) -> Result<Stat> {
    let mut stat = Stat::default();
    with_path(path, |p| {
        // SAFETY: the kernel reads the C string at `p` and writes one `Stat`.
        unsafe { call(nr::NEWFSTATAT, [dir as usize, p, &raw mut stat as usize, flags as usize, 0, 0]) }
    })?;
    Ok(stat)
}

/// readlinkat from the working directory: the target, as much as fits.
pub fn read_link<'a>(path: &str, into: &'a mut [u8]) -> Result<&'a [u8]> {
    let got = with_path(path, |p| {
        let at = abi::AT_FDCWD as usize;
        // SAFETY: the kernel reads the C string at `p` and writes into the slice alone.
        unsafe { call(nr::READLINKAT, [at, p, into.as_mut_ptr() as usize, into.len(), 0, 0]) }
    })?;
    Ok(&into[..got])
}

/// getdents64 as the kernel gives it; see [`entries`].
pub fn read_dir(fd: i32, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes into the slice alone.
    unsafe { call(nr::GETDENTS64, [fd as usize, into.as_mut_ptr() as usize, into.len(), 0, 0, 0]) }
}

/// The names and types (`DT_*`) in what [`read_dir`] filled in. A record cut short, or a name that is not UTF-8, ends
/// the walk.
pub fn entries(bytes: &[u8]) -> impl Iterator<Item = (&str, u8)> {
    raw_entries(bytes).map_while(|(name, kind)| Some((core::str::from_utf8(name).ok()?, kind)))
}

/// The same for names of any bytes.
pub fn raw_entries(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], u8)> {
    core::iter::from_fn(move || {
        let length = u16::from_le_bytes([*bytes.get(16)?, *bytes.get(17)?]) as usize;
        let (record, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let kind = *record.get(18)?;
        let name = record.get(19..)?.split(|&b| b == 0).next()?;
        Some((name, kind))
    })
}

/// mkdirat from the working directory, mode 0755.
pub fn mkdir(path: &str) -> Result<()> {
    // SAFETY: the kernel reads the C string at `p`.
    with_path(path, |p| unsafe { call(nr::MKDIRAT, [abi::AT_FDCWD as usize, p, 0o755, 0, 0, 0]) }).map(drop)
}

/// mknodat from the working directory: a character device with this number, mode 0600.
pub fn mknod(path: &str, device: u64) -> Result<()> {
    let mode = (abi::S_IFCHR | 0o600) as usize;
    with_path(path, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::MKNODAT, [abi::AT_FDCWD as usize, p, mode, device as usize, 0, 0]) }
    })
    .map(drop)
}

/// unlinkat from the working directory; `AT_REMOVEDIR` among `flags` for directories.
pub fn unlink(path: &str, flags: u32) -> Result<()> {
    unlink_at(abi::AT_FDCWD, path, flags)
}

/// unlinkat from directory `dir`.
pub fn unlink_at(dir: i32, path: impl AsRef<[u8]>, flags: u32) -> Result<()> {
    with_path(path, |p| {
        // SAFETY: the kernel reads the C string at `p`.
        unsafe { call(nr::UNLINKAT, [dir as usize, p, flags as usize, 0, 0, 0]) }
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_records_are_walked_and_a_cut_one_ends_it() {
        let mut bytes = vec![0u8; 24 + 24];
        bytes[16] = 24;
        bytes[18] = 4;
        bytes[19..21].copy_from_slice(b"ab");
        bytes[24 + 16] = 25;
        let all: Vec<_> = entries(&bytes).collect();
        assert_eq!(all, [("ab", 4)]);
    }

    #[test]
    fn the_stat_structure_is_the_abi_s() {
        assert_eq!(size_of::<Stat>(), 128);
        assert_eq!(core::mem::offset_of!(Stat, rdev), 32);
        assert_eq!(core::mem::offset_of!(Stat, size), 48);
    }
}
