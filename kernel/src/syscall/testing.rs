//! A process for tests: what a program would do, with user memory in the calling thread's arena.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use heaps::Result;

use super::fd::*;
use super::names::*;
use super::rw::*;
use super::{Ctx, attr};
use crate::arch::USER_ARENA;
use crate::mm::user;
use crate::vfs::flags::*;
use crate::vfs::{FdTable, FsContext, ramfs};

/// A process with an empty root.
pub struct Process {
    pub files: Arc<FdTable>,
    pub fs: Arc<FsContext>,
}

pub const BUF: u64 = USER_ARENA.0 + 0x8000;

/// Puts a string into user memory, at one of a few places.
pub fn at(slot: u64, text: &str) -> u64 {
    let addr = USER_ARENA.0 + slot * 0x2000;
    user::write_bytes(addr, text.as_bytes()).unwrap();
    user::write_bytes(addr + text.len() as u64, b"\0").unwrap();
    addr
}

impl Process {
    pub fn new() -> Process {
        Process { files: FdTable::new(), fs: FsContext::new(ramfs::new(1)) }
    }

    pub fn ctx(&self) -> Ctx<'_> {
        Ctx { files: &self.files, fs: &self.fs, pid: 1 }
    }

    pub fn open(&self, path: &str, flags: u32) -> Result<i32> {
        sys_openat(&self.ctx(), AT_FDCWD, at(0, path), flags, 0o666).map(|fd| fd as i32)
    }

    pub fn mkdir(&self, path: &str) -> Result<usize> {
        sys_mkdirat(&self.ctx(), AT_FDCWD, at(0, path), 0o777)
    }

    pub fn unlink(&self, path: &str) -> Result<usize> {
        sys_unlinkat(&self.ctx(), AT_FDCWD, at(0, path), 0)
    }

    pub fn rmdir(&self, path: &str) -> Result<usize> {
        sys_unlinkat(&self.ctx(), AT_FDCWD, at(0, path), AT_REMOVEDIR)
    }

    pub fn symlink(&self, text: &str, path: &str) -> Result<usize> {
        sys_symlinkat(&self.ctx(), at(0, text), AT_FDCWD, at(1, path))
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<usize> {
        sys_renameat2(&self.ctx(), AT_FDCWD, at(0, from), AT_FDCWD, at(1, to), 0)
    }

    pub fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        user::write_bytes(BUF, bytes).unwrap();
        sys_write(&self.ctx(), fd, BUF, bytes.len())
    }

    pub fn read(&self, fd: i32, len: usize) -> Result<Vec<u8>> {
        let got = sys_read(&self.ctx(), fd, BUF, len)?;
        let mut bytes = vec![0; got];
        user::read_bytes(BUF, &mut bytes).unwrap();
        Ok(bytes)
    }

    pub fn create(&self, path: &str, bytes: &[u8]) {
        let fd = self.open(path, O_CREAT | O_WRONLY).unwrap();
        self.write(fd, bytes).unwrap();
        sys_close(&self.ctx(), fd).unwrap();
    }

    pub fn contents(&self, path: &str) -> Result<Vec<u8>> {
        let fd = self.open(path, O_RDONLY)?;
        let bytes = self.read(fd, 60_000);
        sys_close(&self.ctx(), fd).unwrap();
        bytes
    }

    pub fn readlink(&self, path: &str) -> Result<String> {
        let len = sys_readlinkat(&self.ctx(), AT_FDCWD, at(0, path), BUF, 4096)?;
        let mut bytes = vec![0; len];
        user::read_bytes(BUF, &mut bytes).unwrap();
        Ok(String::from_utf8(bytes).unwrap())
    }

    pub fn list(&self, path: &str) -> Vec<String> {
        let fd = self.open(path, O_RDONLY | O_DIRECTORY).unwrap();
        let mut names = Vec::new();
        loop {
            let len = sys_getdents64(&self.ctx(), fd, BUF, 100).unwrap();
            if len == 0 {
                sys_close(&self.ctx(), fd).unwrap();
                return names;
            }
            let mut bytes = vec![0; len];
            user::read_bytes(BUF, &mut bytes).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let record = u16::from_le_bytes([rest[16], rest[17]]) as usize;
                let name = rest[19..record].split(|&b| b == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
                rest = &rest[record..];
            }
        }
    }

    pub fn stat(&self, path: &str) -> Result<(u64, u32, i64)> {
        attr::sys_newfstatat(&self.ctx(), AT_FDCWD, at(0, path), BUF, AT_SYMLINK_NOFOLLOW)?;
        let (ino, mode, size) =
            (user::read(BUF + 8).unwrap(), user::read(BUF + 16).unwrap(), user::read(BUF + 48).unwrap());
        Ok((ino, mode, size))
    }
}
