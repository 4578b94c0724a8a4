//! Processes as files: a descriptor that means one process, whoever has its number later. Models the second half of
//! `kernel/pid.c` and `pidfd_fops` of `kernel/fork.c`.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt::{self, Write};

use heaps::{Errno, Result};

use super::group::Process;
use super::tree;
use crate::vfs::anon;
use crate::vfs::file::{Events, File, FileOps, READABLE};
use crate::vfs::flags::O_RDWR;
use crate::vfs::poll::PollQueue;

struct PidFd(Arc<Process>);

/// A file that means `process`; `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(process: Arc<Process>, flags: u32) -> Result<Arc<File>> {
    anon::file(O_RDWR | flags, PidFd(process))
}

/// The process that a file means. `EBADF` where it means none.
pub fn process_of(file: &File) -> Result<Arc<Process>> {
    let ops: &dyn Any = file.ops();
    ops.downcast_ref().map(|PidFd(process)| process.clone()).ok_or(Errno::EBADF)
}

/// Whether nobody has seen yet how it ended, if it did.
pub fn is_there(process: &Arc<Process>) -> bool {
    tree::lock().node(process.pid()).is_some_and(|node| Arc::ptr_eq(&node.process, process))
}

impl FileOps for PidFd {
    fn poll(&self, _: &File) -> Events {
        let tree = tree::lock();
        let node = tree.node(self.0.pid()).filter(|node| Arc::ptr_eq(&node.process, &self.0));
        if node.is_some_and(|node| node.status.is_none()) { 0 } else { READABLE }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.0.ended)
    }

    fn show_fdinfo(&self, to: &mut dyn Write, _: usize) -> fmt::Result {
        let pid = if is_there(&self.0) { self.0.pid() as i32 } else { -1 };
        writeln!(to, "Pid:\t{pid}\nNSpid:\t{pid}")
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:[pidfd]".into())
    }
}
