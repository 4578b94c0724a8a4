//! What a system call about files works with.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use arrayvec::ArrayVec;
use heaps::{Errno, Result};

use crate::mm::user;
use crate::vfs::flags::AT_FDCWD;
use crate::vfs::path::{self, PATH_MAX, Walk};
use crate::vfs::{Dentry, FdTable, File, FsContext};

/// The calling process' descriptors and directories.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// Its descriptors.
    pub files: &'a Arc<FdTable>,
    /// Its directories.
    pub fs: &'a FsContext,
}

impl Ctx<'_> {
    /// The open file `fd`. `EBADF`.
    pub fn file(&self, fd: i32) -> Result<Arc<File>> {
        self.files.get(fd)
    }

    /// The open file `fd`, unless it is only a name. `EBADF`.
    pub fn io_file(&self, fd: i32) -> Result<Arc<File>> {
        let file = self.file(fd)?;
        if file.is_path() { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// Where `path` starts. Its directory argument only matters, and is only looked at, when it is relative.
    /// `EBADF`, `ENOTDIR`.
    pub fn start(&self, dirfd: i32, path: &[u8]) -> Result<Arc<Dentry>> {
        if path.starts_with(b"/") {
            return Ok(self.fs.root().clone());
        }
        if dirfd == AT_FDCWD {
            return Ok(self.fs.cwd());
        }
        let file = self.file(dirfd)?;
        match file.dentry() {
            Some(dentry) if dentry.inode().is_dir() => Ok(dentry.clone()),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// What a path leads to; `follow` is about a link at its end. May sleep.
    pub fn resolve(&self, dirfd: i32, path: &[u8], follow: bool) -> Result<Arc<Dentry>> {
        path::resolve(self.fs.root(), &self.start(dirfd, path)?, path, follow)
    }

    /// A walk along a path that has taken every step but the last.
    pub fn walk_to_parent<'p>(&'p self, dirfd: i32, path: &'p [u8]) -> Result<Walk<'p>> {
        let mut walk = Walk::new(self.fs.root(), &self.start(dirfd, path)?, path)?;
        walk.to_parent()?;
        Ok(walk)
    }
}

/// A path read from user memory. Most are short and need no memory of their own.
pub enum UserPath {
    /// A short one.
    Short(ArrayVec<u8, SHORT>),
    /// Any.
    Long(Vec<u8>),
}

/// Longest short path, in bytes.
const SHORT: usize = 128;
const PAGE: u64 = 4096;

impl Deref for UserPath {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            UserPath::Short(path) => path,
            UserPath::Long(path) => path,
        }
    }
}

/// Reads a path from user memory. `EFAULT`, `ENAMETOOLONG`, `ENOMEM`. May sleep.
pub fn user_path(addr: u64) -> Result<UserPath> {
    // Never past the page the path may end in.
    let room = (PAGE - addr % PAGE).min(SHORT as u64) as usize;
    let mut bytes = [0; SHORT];
    user::read_bytes(addr, &mut bytes[..room])?;
    match bytes[..room].iter().position(|&b| b == 0) {
        Some(len) => Ok(UserPath::Short(bytes[..len].iter().copied().collect())),
        None => user::read_cstr(addr, PATH_MAX - 1).map(UserPath::Long),
    }
}
