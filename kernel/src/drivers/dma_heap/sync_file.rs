//! A fence's descriptor, and the software timelines that user space makes fences with.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;

use heaps::uapi::ioctl::Command;
use heaps::{Fence, Result, SwSync, SyncFile};

use super::caller::{Caller, Descriptors};
use super::platform::Kernel;
use crate::mm::admit::admit;
use crate::process;
use crate::vfs::file::{Events, File, FileOps, Ioctl, POLLIN, Position};
use crate::vfs::poll::PollQueue;

/// A sync file.
pub struct SyncFd(pub SyncFile<Kernel>);

impl SyncFd {
    /// The fence of a file, if it is a sync file.
    pub fn fence(file: &File) -> Option<Fence<Kernel>> {
        let ops: &dyn Any = file.ops();
        ops.downcast_ref::<SyncFd>().map(|SyncFd(sync)| sync.fence().clone())
    }
}

impl FileOps for SyncFd {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        let command = Command::from_raw(call.cmd);
        self.0.ioctl(command, call.arg as usize, &Caller, &Descriptors(call.files))
    }

    fn poll(&self, _: &File) -> Events {
        if self.0.fence().is_signalled() { POLLIN } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(self.0.fence().poll_queue())
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:sync_file".into())
    }
}

/// An open `sw_sync`.
struct Timeline(SwSync<Kernel>);

/// Opens a timeline, named after the process. `ENOMEM`.
pub fn open_timeline() -> Result<Box<dyn FileOps>> {
    admit()?;
    let comm = process::with_current(|thread| thread.process().program().comm).unwrap_or_default();
    Ok(Box::new(Timeline(SwSync::open(&comm)?)))
}

impl FileOps for Timeline {
    fn position(&self) -> Position {
        Position::Shared
    }

    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        let command = Command::from_raw(call.cmd);
        self.0.ioctl(command, call.arg as usize, &Caller, &Descriptors(call.files))
    }
}
