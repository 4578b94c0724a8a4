//! `/proc/kmsg`: what syslog(2) reads, as a file (Linux: `fs/proc/kmsg.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::Result;

use crate::debug::kmsg::common;
use crate::vfs::file::{Events, File, FileOps, POLLIN};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::io::Sink;

struct Kmsg;

/// Opens it.
pub fn open() -> Box<dyn FileOps> {
    Box::new(Kmsg)
}

impl FileOps for Kmsg {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        common::read(to, file.flags() & O_NONBLOCK == 0)
    }

    fn poll(&self, _: &File) -> Events {
        if common::has_unread() { POLLIN } else { 0 }
    }
}
