//! A dma-buf's descriptor: seek for the size, map, the ioctls, and what `/proc` says about it.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt::{self, Write};
use core::ops::Deref;

use heaps::dma_buf::MapRequest;
use heaps::uapi::ioctl::Command;
use heaps::{DmaBuf, Errno, PAGE_SHIFT, PhysAddr, Result};

use super::caller::{Caller, Descriptors};
use super::list::{self, Place};
use super::platform::Kernel;
use crate::vfs::Inode;
use crate::vfs::file::{Events, File, FileOps, Ioctl, POLLIN, POLLOUT, Whence};
use crate::vfs::inode::Content;
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::poll::PollQueue;

/// The number of the filesystem that buffers are in.
const DEV: u32 = 9;

/// An inode for a buffer, of no type, as Linux gives it; no name leads to it, so it cannot be opened again.
fn inode() -> Arc<Inode> {
    Arc::new(Inode::new(DEV, 0o600, Content::Anonymous))
}

/// A buffer's file. Dropping it drops the file's hold on the buffer.
pub struct Buffer {
    buffer: DmaBuf<Kernel>,
    _place: Place,
}

impl Buffer {
    /// A file for a buffer, opened with this access mode. `ENFILE`, `ENOMEM` drop the buffer.
    pub fn file(buffer: DmaBuf<Kernel>, access: u32) -> Result<Arc<File>> {
        let place = Place::reserve()?;
        let slot = place.slot();
        let file = File::anonymous(inode(), access, Box::new(Buffer { buffer, _place: place }))?;
        list::enter(slot, &file);
        Ok(file)
    }

    /// Of a file, if it is a buffer's.
    pub fn of(file: &File) -> Option<&Buffer> {
        let ops: &dyn Any = file.ops();
        ops.downcast_ref()
    }

    /// How large it is.
    pub fn bytes(&self) -> usize {
        self.buffer.size()
    }
}

/// A reference to a buffer's file, as importers hold one.
#[derive(Clone)]
pub struct BufferRef(Arc<File>);

impl BufferRef {
    /// Of a file; `EINVAL` where it is not a buffer's (Linux: `dma_buf_get`).
    pub fn new(file: Arc<File>) -> Result<BufferRef> {
        if Buffer::of(&file).is_none() {
            return Err(Errno::EINVAL);
        }
        Ok(BufferRef(file))
    }

    /// The file, to be put in a descriptor table again.
    pub fn file(&self) -> &Arc<File> {
        &self.0
    }
}

impl Deref for BufferRef {
    type Target = DmaBuf<Kernel>;

    fn deref(&self) -> &DmaBuf<Kernel> {
        match Buffer::of(&self.0) {
            Some(buffer) => &buffer.buffer,
            None => unreachable!("a file changed its operations"),
        }
    }
}

impl FileOps for Buffer {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        self.buffer.ioctl(Command::from_raw(call.cmd), call.arg as usize, &Caller, &Descriptors(call.files))
    }

    fn llseek(&self, _: &File, offset: i64, whence: Whence) -> Result<u64> {
        self.buffer.lseek(offset, whence.raw())
    }

    fn mmap(&self, file: &File, request: &MmapRequest) -> Result<Mmap> {
        let MmapRequest { offset, len, shared, write } = *request;
        self.buffer.mmap(MapRequest { offset, len, shared, write, file_writable: file.writable() })?;
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
        match self.buffer.mmap(again) {
            // Revoked: nothing to map.
            Err(Errno::ENODEV) => Ok(()),
            window => window?.try_for_each(|run| each(run.start(), run.pages())),
        }
    }

    fn is_revoked(&self) -> bool {
        self.buffer.is_revoked()
    }

    fn poll(&self, _: &File) -> Events {
        let (reads, writes) = self.buffer.is_idle();
        (if reads { POLLIN } else { 0 }) | (if writes { POLLOUT } else { 0 })
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        static MISSING: PollQueue = PollQueue::missing();
        Some(self.buffer.poll_queue().unwrap_or(&MISSING))
    }

    fn show_fdinfo(&self, to: &mut dyn Write, references: usize) -> fmt::Result {
        self.buffer.fdinfo(to, references)
    }

    fn link_text(&self) -> Option<String> {
        let mut text = String::new();
        self.buffer.link_text(&mut text).ok()?;
        Some(text)
    }

    fn size(&self) -> Option<u64> {
        Some(self.buffer.size() as u64)
    }
}
