//! What a kind of file does (Linux: `struct file_operations`).
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt::{self, Write};

use heaps::{Errno, PhysAddr, Result};

use super::{Events, File, Position, READABLE, WRITABLE, Whence};
use crate::mm::aspace::mappers::FilePages;
use crate::vfs::dir::DirSink;
use crate::vfs::fdtable::FdTable;
use crate::vfs::io::{Sink, Source};
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::poll::PollQueue;

/// What a file does. The default of each operation is what Linux answers for a missing one. Dropping the
/// operations is the file's release. All may sleep and are called with no lock held, but for the file's own
/// position lock where [`position`](FileOps::position) says so.
pub trait FileOps: Any + Send + Sync {
    /// Reads at `pos`; returns how much.
    fn read_at(&self, _file: &File, _to: &mut dyn Sink, _pos: u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes at `pos`; returns how much, and the position after it.
    fn write_at(&self, _file: &File, _from: &mut dyn Source, _pos: u64) -> Result<(usize, u64)> {
        Err(Errno::EINVAL)
    }

    /// Writes at the end, where there is one; else as [`write_at`](FileOps::write_at).
    fn append(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        self.write_at(file, from, pos)
    }

    /// Whether reads and writes move a position.
    fn position(&self) -> Position {
        Position::None
    }

    /// A device's own command. `ENOTTY` for an unknown one.
    fn ioctl(&self, _file: &File, _call: &Ioctl<'_>) -> Result<usize> {
        Err(Errno::ENOTTY)
    }

    /// Moves the position and returns it.
    fn llseek(&self, _file: &File, _offset: i64, _whence: Whence) -> Result<u64> {
        Err(Errno::ESPIPE)
    }

    /// Says what to put into an address space for a mapping.
    fn mmap(&self, _file: &File, _request: &MmapRequest) -> Result<Mmap> {
        Err(Errno::ENODEV)
    }

    /// Its pages, for a mapping of [`Mmap::Pages`].
    fn pages<'f>(&self, _file: &'f File) -> Option<&'f dyn FilePages> {
        None
    }

    /// Names the runs behind `pages` pages from page `first` for a mapping of [`Mmap::Runs`], in order, up to
    /// `each`'s first error. Under the address space's lock, too.
    fn map_runs(
        &self,
        _first: u64,
        _pages: u64,
        _each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        Err(Errno::ENODEV)
    }

    /// Whether the memory behind [`map_runs`](FileOps::map_runs) was taken away for good; it names nothing then.
    fn is_revoked(&self) -> bool {
        false
    }

    /// Lists the directory's entries from the file's position on.
    fn iterate(&self, _file: &File, _to: &mut DirSink<'_>) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// What would not block now. Does not sleep; may be called with an epoll's harvest locked.
    fn poll(&self, _file: &File) -> Events {
        READABLE | WRITABLE
    }

    /// Where those wait who want to know when [`poll`](FileOps::poll) says something else; whoever makes it say so
    /// [notifies](PollQueue::notify) it. `None` for files that are always ready and that epoll refuses to watch.
    fn poll_queue(&self) -> Option<&PollQueue> {
        None
    }

    /// Its own lines of `/proc/PID/fdinfo/N`; `references` is how many hold the file.
    fn show_fdinfo(&self, _to: &mut dyn Write, _references: usize) -> fmt::Result {
        Ok(())
    }

    /// What `/proc/PID/fd/N` says for a file without a path.
    fn link_text(&self) -> Option<String> {
        None
    }

    /// A pipe's capacity in bytes, after setting it where `to` says so. `EBADF` for what is no pipe.
    fn pipe_size(&self, _to: Option<usize>) -> Result<usize> {
        Err(Errno::EBADF)
    }

    /// The size `fstat` says, where the inode does not know it.
    fn size(&self) -> Option<u64> {
        None
    }
}

/// One `ioctl`: the command, its argument, and whose descriptor table gains what it opens.
pub struct Ioctl<'a> {
    /// The command number.
    pub cmd: u32,
    /// The argument; a user address, mostly.
    pub arg: u64,
    /// The caller's descriptors.
    pub files: &'a Arc<FdTable>,
}
