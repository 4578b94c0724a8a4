//! A filesystem in memory: its directories are dentries, its files are [`data::Data`]. Models `mm/shmem.c`, where it is
//! tmpfs.
#![forbid(unsafe_code)]

pub mod data;
#[cfg(test)]
mod mapped_tests;
mod pages;
pub mod seals;

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::file::{File, FileOps, Position, Whence, seek_within};
use super::flags::O_APPEND;
use super::io::{Sink, Source};
use super::longest;
use super::mmap::{Mmap, MmapRequest};
use super::namespace::dir_inode;
use super::quota::Quota;
use crate::mm::aspace::mappers::FilePages;

/// A new, empty filesystem numbered `dev` that may take half of memory.
pub fn new(dev: u32) -> Arc<Dentry> {
    Dentry::root(dir_inode(dev, 0o755, Some(Quota::half_of_memory())))
}

/// The first bytes of what is to be written.
struct Part<'a> {
    of: &'a mut dyn Source,
    left: usize,
}

impl Source for Part<'_> {
    fn left(&self) -> usize {
        self.left
    }

    fn take(&mut self, into: &mut [u8]) -> Result<()> {
        let before = self.of.left();
        let taken = self.of.take(into);
        self.left -= before - self.of.left();
        taken
    }
}

/// An open regular file.
pub struct RegularFile;

fn bytes(file: &File) -> Result<&data::Data> {
    file.inode().data().ok_or(Errno::EIO)
}

/// Writes at a position, or at the end where there is none.
fn write(file: &File, from: &mut dyn Source, pos: Option<u64>) -> Result<(usize, u64)> {
    let at = pos.unwrap_or_else(|| file.inode().size());
    let most = match from.left() {
        0 => 0,
        len => longest::admit_write(at, len)?,
    };
    file.inode().touch();
    bytes(file)?.write(&mut Part { of: from, left: most }, pos)
}

impl FileOps for RegularFile {
    fn read_at(&self, file: &File, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        file.inode().access();
        bytes(file)?.read(to, pos)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        write(file, from, (file.flags() & O_APPEND == 0).then_some(pos))
    }

    fn append(&self, file: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        write(file, from, None)
    }

    fn position(&self) -> Position {
        Position::Locked
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        let pos = match whence {
            Whence::Data | Whence::Hole => {
                let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                bytes(file)?.seek(from, whence == Whence::Data)?
            }
            _ => return seek_within(file, file.inode().size(), offset, whence),
        };
        file.set_pos(pos);
        Ok(pos)
    }

    fn mmap(&self, file: &File, request: &MmapRequest) -> Result<Mmap> {
        let sealed = bytes(file)?.seals() & (seals::WRITE | seals::FUTURE_WRITE) != 0;
        if sealed && request.shared && request.write {
            return Err(Errno::EPERM);
        }
        Ok(Mmap::Pages { may_write: !sealed })
    }

    fn pages<'f>(&self, file: &'f File) -> Option<&'f dyn FilePages> {
        bytes(file).ok().map(|data| data as _)
    }
}
