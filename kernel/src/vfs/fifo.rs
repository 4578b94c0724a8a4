//! Pipes that have a name. Opening one end waits for the other. Models `fs/pipe.c`, `fifo_open`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};

use heaps::{Errno, Result};

use super::file::{Events, File, FileOps, Ioctl, POLLHUP};
use super::flags::{O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY};
use super::inode::{Content, Inode, S_IFIFO};
use super::io::{Sink, Source};
use super::pipe::{Pipe, Reader, Writer};
use super::poll::PollQueue;
use crate::sync::{SpinLock, order};

/// A pipe's name. The pipe itself, with what is in it, is there while somebody has it open.
pub struct Fifo {
    pipe: SpinLock<Weak<Pipe>, { order::FIFO }>,
    has_name: bool,
}

/// A new FIFO's inode.
pub fn inode(dev: u32, permissions: u32) -> Arc<Inode> {
    inode_with(dev, permissions, Weak::new(), true)
}

/// The inode of a pipe that has no name: it can be opened again by way of `/proc`, and then
/// nobody waits.
pub(super) fn inode_of(dev: u32, permissions: u32, pipe: &Arc<Pipe>) -> Arc<Inode> {
    inode_with(dev, permissions, Arc::downgrade(pipe), false)
}

fn inode_with(dev: u32, permissions: u32, pipe: Weak<Pipe>, has_name: bool) -> Arc<Inode> {
    let fifo = Fifo { pipe: SpinLock::new(pipe), has_name };
    Arc::new(Inode::new(dev, S_IFIFO | permissions & 0o7777, Content::Fifo(fifo)))
}

impl Fifo {
    fn pipe(&self) -> Result<Arc<Pipe>> {
        let fresh = Pipe::new()?;
        let mut there = self.pipe.lock();
        if let Some(pipe) = there.upgrade() {
            return Ok(pipe);
        }
        let before = core::mem::replace(&mut *there, Arc::downgrade(&fresh));
        drop(there);
        drop(before);
        Ok(fresh)
    }

    /// Opens an end, or both. Of a pipe that has a name: `ENXIO` to write without waiting where nobody reads, `EINTR`, `ENOMEM`. May sleep.
    pub fn open(&self, flags: u32) -> Result<Box<dyn FileOps>> {
        let pipe = self.pipe()?;
        let waits = self.has_name && flags & O_NONBLOCK == 0;
        match flags & O_ACCMODE {
            O_RDONLY => {
                let reader = pipe.reader(None);
                pipe.ends_changed();
                if waits {
                    reader.wait_for_writer()?;
                }
                Ok(Box::new(reader))
            }
            O_WRONLY => {
                if self.has_name && !waits && !pipe.has_readers() {
                    return Err(Errno::ENXIO);
                }
                let writer = pipe.writer(None);
                pipe.ends_changed();
                if waits {
                    writer.wait_for_reader()?;
                }
                Ok(Box::new(writer))
            }
            _ => {
                let both = Both { reader: pipe.reader(None), writer: pipe.writer(None) };
                pipe.ends_changed();
                Ok(Box::new(both))
            }
        }
    }
}

/// A FIFO open for reading and writing.
struct Both {
    reader: Reader,
    writer: Writer,
}

impl FileOps for Both {
    fn read_at(&self, file: &File, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        self.reader.read_at(file, to, pos)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        self.writer.write_at(file, from, pos)
    }

    fn poll(&self, file: &File) -> Events {
        (self.reader.poll(file) | self.writer.poll(file)) & !POLLHUP
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        self.reader.poll_queue()
    }

    fn ioctl(&self, file: &File, call: &Ioctl<'_>) -> Result<usize> {
        self.reader.ioctl(file, call)
    }

    fn pipe_size(&self, to: Option<usize>) -> Result<usize> {
        self.reader.pipe_size(to)
    }
}
