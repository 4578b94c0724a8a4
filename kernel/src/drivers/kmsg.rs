//! `/dev/kmsg`: the kernel log, a record a read, and a way to write to it. Models `kernel/printk/printk.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{CdevOps, Errno, Result};

use super::dma_heap::Kernel;
use crate::chrdev::{self, CdevRef, DevT};
use crate::debug::kmsg::{self, Cursor, Line, TEXT_MAX};
use crate::sync::{IrqLock, order};
use crate::vfs::file::{Events, File, FileOps, POLLERR, READABLE, WRITABLE, Whence};
use crate::vfs::flags::{O_ACCMODE, O_NONBLOCK, O_WRONLY};
use crate::vfs::io::{Sink, Source, take_all};
use crate::vfs::poll::PollQueue;

struct Device;

/// An open one, and what it reads next.
struct Reader(IrqLock<Cursor, { order::LOG_READER }>);

/// Publishes the device. `EBUSY` and `EEXIST` when it is there already, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("kmsg", DevT::new(1, 11), 0o644, &Device)
}

impl CdevOps<Kernel> for Device {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(Reader(IrqLock::new(kmsg::first()))))
    }
}

impl FileOps for Reader {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        let mut line = Line::new();
        loop {
            let at = *self.0.lock();
            if kmsg::is_lost(&at) {
                *self.0.lock() = kmsg::first();
                return Err(Errno::EPIPE);
            }
            let mut after = at;
            if let Some(record) = kmsg::next(&mut after) {
                *self.0.lock() = after;
                kmsg::extended(&record, &mut line);
                break;
            }
            if file.flags() & O_NONBLOCK != 0 {
                return Err(Errno::EAGAIN);
            }
            kmsg::wait(&at)?;
        }
        if line.len() > to.room() {
            return Err(Errno::EINVAL);
        }
        to.put(&line)?;
        Ok(line.len())
    }

    fn write_at(&self, _: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        let bytes = take_all(from, TEXT_MAX)?;
        let (priority, message) = kmsg::parse_priority(&bytes);
        kmsg::log(priority, message.strip_suffix(b"\n").unwrap_or(message));
        Ok((bytes.len(), 0))
    }

    fn llseek(&self, _: &File, offset: i64, whence: Whence) -> Result<u64> {
        let to = match whence {
            _ if offset != 0 => return Err(Errno::ESPIPE),
            Whence::Set => kmsg::first(),
            Whence::End => kmsg::end(),
            _ => return Err(Errno::EINVAL),
        };
        *self.0.lock() = to;
        Ok(0)
    }

    fn poll(&self, file: &File) -> Events {
        if file.flags() & O_ACCMODE == O_WRONLY {
            return WRITABLE;
        }
        let at = *self.0.lock();
        let lost = if kmsg::is_lost(&at) { POLLERR } else { 0 };
        if kmsg::has(&at) { READABLE | lost } else { lost }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&kmsg::POLLED)
    }
}
