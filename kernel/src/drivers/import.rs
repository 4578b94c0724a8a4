//! dma-bufs in drivers' hands: attached to a device and mapped there for as long as the driver keeps them.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::dma_buf::{Attachment, Direction, DmaRun, Importer, Mapping};
use heaps::{Errno, Result};

use super::dma_heap::{BufferRef, Kernel};
use crate::mm::admit::admit;
use crate::vfs::FdTable;

/// An imported buffer. Its pages stay until this is dropped, which may sleep.
pub struct Import<I> {
    // Unmapped before it is detached.
    mapping: Mapping<Kernel>,
    attachment: Attachment<Kernel>,
    /// The device, as the buffer knows it.
    pub importer: Arc<I>,
}

impl<I: Importer> Import<I> {
    /// Imports the buffer behind descriptor `fd` (Linux: `dma_buf_get` and what follows). `EBADF`, `EINVAL` for another
    /// kind of file, `ENODEV` for a buffer that was revoked, `ENOMEM`, and what the importer says. May sleep.
    pub fn get(files: &FdTable, fd: i32, importer: I) -> Result<Import<I>> {
        Import::new(BufferRef::new(files.get(fd)?)?, importer)
    }

    /// Imports a buffer, likewise.
    pub fn new(buffer: BufferRef, importer: I) -> Result<Import<I>> {
        admit()?;
        let importer = Arc::new(importer);
        let attachment = Attachment::new(buffer, importer.clone())?;
        let mapping = attachment.map(Direction::Bidirectional)?;
        Ok(Import { mapping, attachment, importer })
    }

    /// The buffer.
    pub fn buffer(&self) -> &BufferRef {
        self.attachment.buffer()
    }

    /// Where all of it is for the device.
    pub fn runs(&self) -> &[DmaRun] {
        self.mapping.table().runs()
    }

    /// Where `len` bytes from `offset` on are for the device, in pieces: address and length. `EINVAL` for none, or
    /// where some lie past the end.
    pub fn pieces(&self, offset: u64, len: u64) -> Result<impl Iterator<Item = (u64, u64)>> {
        let end = offset.checked_add(len).filter(|&end| end <= self.mapping.table().size() as u64);
        let end = end.filter(|_| len > 0).ok_or(Errno::EINVAL)?;
        let mut before = 0;
        let runs = self.mapping.table().runs().iter();
        Ok(runs.filter_map(move |run| {
            let (first, last) = (offset.max(before), end.min(before + run.len as u64));
            let piece = (first < last).then(|| (run.address + (first - before), last - first));
            before += run.len as u64;
            piece
        }))
    }

    /// Where `len` bytes from `offset` on begin, if they are one piece for the device. `EINVAL` where they are several,
    /// and as [`pieces`](Import::pieces).
    pub fn one_piece(&self, offset: u64, len: u64) -> Result<u64> {
        let mut pieces = self.pieces(offset, len)?;
        let (start, first) = pieces.next().ok_or(Errno::EINVAL)?;
        let end = pieces.try_fold(start + first, |end, (at, len)| (at == end).then_some(at + len));
        end.map(|_| start).ok_or(Errno::EINVAL)
    }
}
