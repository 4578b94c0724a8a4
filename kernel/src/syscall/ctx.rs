//! What a system call about files works with.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use heaps::{Errno, Result};
use zerocopy::IntoBytes;

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
    /// Its number.
    pub pid: i32,
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
    /// `ENOENT` for an empty one, `EBADF`, `ENOTDIR`.
    pub fn start(&self, dirfd: i32, path: &[u8]) -> Result<Arc<Dentry>> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.starts_with(b"/") {
            return Ok(self.fs.root());
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
        path::resolve(&self.fs.root(), &self.start(dirfd, path)?, path, follow)
    }

    /// A walk along a path that has taken every step but the last.
    pub fn walk_to_parent<'p>(&'p self, dirfd: i32, path: &'p [u8]) -> Result<Walk<'p>> {
        let mut walk = Walk::new(&self.fs.root(), &self.start(dirfd, path)?, path)?;
        walk.to_parent()?;
        Ok(walk)
    }
}

/// A path read from user memory. Most are short and need no memory of their own.
pub enum UserPath {
    /// A short one, and its length.
    Short([u64; SHORT / 8], usize),
    /// Any.
    Long(Vec<u8>),
}

/// Longest short path and its NUL, in bytes.
const SHORT: usize = 128;
const PAGE: u64 = 4096;

impl Deref for UserPath {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            UserPath::Short(words, len) => &words.as_bytes()[..*len],
            UserPath::Long(path) => path,
        }
    }
}

/// Reads a path from user memory. `EFAULT`, `ENAMETOOLONG`, `ENOMEM`. May sleep.
pub fn user_path(addr: u64) -> Result<UserPath> {
    // Never past the page the path may end in.
    let room = (PAGE - addr % PAGE).min(SHORT as u64) as usize;
    let mut words = [0; SHORT / 8];
    user::read_bytes(addr, &mut words.as_mut_bytes()[..room])?;
    match first_zero(&words) {
        Some(len) if len < room => Ok(UserPath::Short(words, len)),
        _ => user::read_cstr(addr, PATH_MAX - 1).map(UserPath::Long),
    }
}

/// Where the first byte of zero is.
fn first_zero(words: &[u64]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The lowest bit set is in the first byte of zero: a borrow only reaches higher ones.
    let zeroes = |word: u64| word.wrapping_sub(ONES) & !word & ONES << 7;
    let at = words.iter().position(|&word| zeroes(word.to_le()) != 0)?;
    Some(at * 8 + zeroes(words[at].to_le()).trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_zero_is_found_wherever_it_is() {
        for at in 0..32 {
            for after in [0, 1, 0x80, 0xff] {
                let mut words = [0x8001_ff7f_0180_ff01; 4];
                words.as_mut_bytes()[at..].fill(after);
                words.as_mut_bytes()[at] = 0;
                assert_eq!(first_zero(&words), Some(at));
            }
        }
        assert_eq!(first_zero(&[u64::MAX; 3]), None);
    }
}
