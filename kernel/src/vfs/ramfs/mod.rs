//! A filesystem in memory: its directories are dentries, its files are [`data::Data`]. Models `fs/ramfs`.
#![forbid(unsafe_code)]

pub mod data;

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::file::{File, FileOps, Position, Whence, seek_within};
use super::flags::O_APPEND;
use super::inode::Content;
use super::io::{Sink, Source};
use super::mmap::{Mmap, MmapRequest};
use super::namespace::dir_inode;

/// A new, empty filesystem numbered `dev`.
pub fn new(dev: u32) -> Arc<Dentry> {
    Dentry::root(dir_inode(dev, 0o755, true))
}

/// An open regular file.
pub struct RegularFile;

fn bytes(file: &File) -> Result<&data::Data> {
    match file.inode().content() {
        Content::Regular(data) => Ok(data),
        _ => Err(Errno::EIO),
    }
}

impl FileOps for RegularFile {
    fn read_at(&self, file: &File, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        bytes(file)?.read(to, pos)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        file.inode().touch();
        let append = file.flags() & O_APPEND != 0;
        bytes(file)?.write(from, (!append).then_some(pos))
    }

    fn position(&self) -> Position {
        Position::Locked
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        seek_within(file, file.inode().size(), offset, whence)
    }

    fn mmap(&self, _: &File, request: &MmapRequest) -> Result<Mmap> {
        if request.shared && request.write {
            return Err(Errno::ENODEV);
        }
        Ok(Mmap::Content)
    }

    fn map_content(&self, file: &File, offset: u64, into: &mut [u8]) -> Result<usize> {
        Ok(bytes(file)?.read_at(offset, into))
    }
}
