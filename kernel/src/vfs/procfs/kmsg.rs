//! `/proc/kmsg`: what syslog(2) reads, as a file (Linux: `fs/proc/kmsg.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::Result;

use crate::debug::kmsg::{self, common};
use crate::vfs::file::{Events, File, FileOps, READABLE};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::io::Sink;
use crate::vfs::poll::PollQueue;

struct Kmsg;

/// Opens it.
pub fn open() -> Result<Box<dyn FileOps>> {
    Ok(Box::new(Kmsg))
}

impl FileOps for Kmsg {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        common::read(to, file.flags() & O_NONBLOCK == 0)
    }

    fn poll(&self, _: &File) -> Events {
        if common::has_unread() { READABLE } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&kmsg::POLLED)
    }
}
