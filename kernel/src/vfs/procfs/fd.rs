//! `/proc/PID/fd` and `/proc/PID/fdinfo`. A link in `fd` leads to the very name the file was opened by, and opening
//! it opens the inode again, with all it has cached.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::{DEV, number, process};
use crate::mm::fallible;
use crate::vfs::dentry::Dentry;
use crate::vfs::dynamic::{DynDir, DynEntry};
use crate::vfs::fdtable::FdTable;
use crate::vfs::file::File;
use crate::vfs::flags::O_CLOEXEC;
use crate::vfs::inode::{Content, Inode, MagicLink, S_IFLNK, S_IFREG};
use crate::vfs::pseudo;

/// What a directory of descriptors shows of each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// A link to the open file.
    Files,
    /// Text about it.
    Info,
}

/// A directory with an entry for each open descriptor of a process.
pub struct FdDir {
    /// The process.
    pub pid: i32,
    /// Which of the two directories it is.
    pub shows: Shows,
}

fn files(pid: i32) -> Result<Arc<FdTable>> {
    process(pid)?.files().ok_or(Errno::ENOENT)
}

fn file(pid: i32, fd: i32) -> Result<Arc<File>> {
    files(pid)?.get(fd).map_err(|_| Errno::ENOENT)
}

impl DynDir for FdDir {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let (pid, fd) = (self.pid, number(name)?);
        let open = file(pid, fd)?;
        if self.shows == Shows::Info {
            return Ok(pseudo::text_inode(DEV, 0o400, pseudo::read_only(move || info(pid, fd))));
        }
        let read = if open.readable() { 0o500 } else { 0 };
        let write = if open.writable() { 0o300 } else { 0 };
        let link = Content::Magic(Box::new(FdLink { pid, fd }));
        Ok(Arc::new(Inode::new(DEV, S_IFLNK | read | write, link)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let from = usize::try_from(from.max(2) - 2).ok()?;
        let fd = files(self.pid).ok()?.next_open(from)?;
        let kind = if self.shows == Shows::Files { S_IFLNK } else { S_IFREG };
        Some(DynEntry { cookie: fd as u64 + 2, name: format!("{fd}").into_bytes(), kind })
    }
}

struct FdLink {
    pid: i32,
    fd: i32,
}

impl MagicLink for FdLink {
    fn text(&self) -> Result<Vec<u8>> {
        file(self.pid, self.fd)?.link_text()
    }

    fn target(&self) -> Result<Arc<Dentry>> {
        let file = file(self.pid, self.fd)?;
        match file.dentry() {
            Some(dentry) => Ok(dentry.clone()),
            None => Ok(Dentry::anonymous(&file.link_text()?, file.inode().clone())),
        }
    }
}

fn info(pid: i32, fd: i32) -> Result<String> {
    let files = files(pid)?;
    let file = files.get(fd).map_err(|_| Errno::ENOENT)?;
    let cloexec = if files.cloexec(fd).unwrap_or(false) { O_CLOEXEC } else { 0 };
    let (flags, inode) = (file.flags() | cloexec, file.inode());
    fallible::text(|out| {
        writeln!(out, "pos:\t{}\nflags:\t0{flags:o}", file.pos())?;
        writeln!(out, "mnt_id:\t{}\nino:\t{}", inode.dev(), inode.ino())?;
        // This function's own hold does not count.
        file.ops().show_fdinfo(out, Arc::strong_count(&file) - 1)
    })
}
