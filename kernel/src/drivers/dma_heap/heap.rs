//! An open heap. Reading, writing, seeking and mapping are what files without them answer.
#![forbid(unsafe_code)]

use heaps::uapi::ioctl::Command;
use heaps::{HeapFile, Result};

use super::caller::{Caller, Descriptors};
use super::platform::Kernel;
use crate::vfs::file::{File, FileOps, Ioctl};

/// An open `/dev/dma_heap/NAME`. Dropping it is the heap's release.
pub struct OpenHeap(pub HeapFile<Kernel>);

impl FileOps for OpenHeap {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        let command = Command::from_raw(call.cmd);
        self.0.ioctl(command, call.arg as usize, &Caller, &Descriptors(call.files))
    }
}
