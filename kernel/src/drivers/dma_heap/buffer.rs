//! A dma-buf's descriptor: seek for the size, map, the ioctls, and what `/proc` says about it.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;

use heaps::dma_buf::MapRequest;
use heaps::uapi::ioctl::Command;
use heaps::{DmaBuf, Errno, PAGE_SHIFT, PhysAddr, Result};

use super::caller::Caller;
use super::platform::Kernel;
use crate::vfs::Inode;
use crate::vfs::file::{File, FileOps, Ioctl, Whence};
use crate::vfs::inode::Content;
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::poll::PollQueue;

/// The number of the filesystem that buffers are in.
const DEV: u32 = 9;

/// An inode for a buffer, of no type, as Linux gives it; no name leads to it, so it cannot be opened again.
pub fn inode() -> Arc<Inode> {
    Arc::new(Inode::new(DEV, 0o600, Content::Anonymous))
}

/// A buffer's file. Dropping it drops the file's hold on the buffer.
pub struct Buffer(pub DmaBuf<Kernel>);

impl FileOps for Buffer {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        self.0.ioctl(Command::from_raw(call.cmd), call.arg as usize, &Caller)
    }

    fn llseek(&self, _: &File, offset: i64, whence: Whence) -> Result<u64> {
        self.0.lseek(offset, whence.raw())
    }

    fn mmap(&self, file: &File, request: &MmapRequest) -> Result<Mmap> {
        let MmapRequest { offset, len, shared, write } = *request;
        self.0.mmap(MapRequest { offset, len, shared, write, file_writable: file.writable() })?;
        Ok(Mmap::Runs)
    }

    fn map_runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        let (offset, len) = (first << PAGE_SHIFT, (pages as usize) << PAGE_SHIFT);
        let again = MapRequest { offset, len, shared: true, write: false, file_writable: true };
        match self.0.mmap(again) {
            // Revoked: nothing to map.
            Err(Errno::ENODEV) => Ok(()),
            window => window?.try_for_each(|run| each(run.start(), run.pages())),
        }
    }

    fn is_revoked(&self) -> bool {
        self.0.is_revoked()
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        // Without fences a buffer is always ready: nobody is ever notified.
        static NEVER: PollQueue = PollQueue::new();
        Some(&NEVER)
    }

    fn show_fdinfo(&self, to: &mut String, references: usize) {
        // Writing to a string does not fail.
        let _ = self.0.fdinfo(to, references);
    }

    fn link_text(&self) -> Option<String> {
        let mut text = String::new();
        self.0.link_text(&mut text).ok()?;
        Some(text)
    }

    fn size(&self) -> Option<u64> {
        Some(self.0.size() as u64)
    }
}
