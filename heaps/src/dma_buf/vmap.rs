//! Buffers as the kernel itself reads and writes them (Linux: `dma_buf_vmap`, `dma_buf_vunmap`).
//!
//! A value instead of an address: nothing of the kernel's address space is used up, scattered pages need no mapping of
//! their own, and what was revoked is an error instead of a fault.

use super::shared::Shared;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::kref::Ref;
use crate::platform::Platform;
use crate::sg::Run;
use crate::{Errno, PhysAddr, Result};

/// A way to a buffer's bytes. It holds the buffer's file; there may be any number. May sleep when dropped.
pub struct Vmap<P: Platform> {
    buffer: P::BufferRef,
    shared: Ref<Shared<P>>,
}

impl<P: Platform> Vmap<P> {
    /// Of a buffer. `EINVAL` for one that the CPU may not map, `ENODEV` for one that was revoked, `ENOMEM`.
    pub fn new(buffer: P::BufferRef) -> Result<Vmap<P>> {
        if !buffer.mappable {
            return Err(Errno::EINVAL);
        }
        buffer.check_not_revoked()?;
        let shared = buffer.shared()?;
        Ok(Vmap { buffer, shared })
    }

    /// The buffer.
    pub fn buffer(&self) -> &P::BufferRef {
        &self.buffer
    }

    /// Copies bytes from `offset` on into `into`. `EINVAL` where some lie past the end; `ENODEV` once the memory is
    /// revoked. May sleep.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<()> {
        let mut done = 0;
        self.each_part(offset, into.len(), |page, at, len| {
            P::read_page(page, at, &mut into[done..done + len]);
            done += len;
        })
    }

    /// Copies `from` to `offset` and what follows, likewise.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        let mut done = 0;
        self.each_part(offset, from.len(), |page, at, len| {
            P::write_page(page, at, &from[done..done + len]);
            done += len;
        })
    }

    /// Calls `part` for each page touched, with where in it, and how many bytes of it.
    fn each_part(
        &self,
        offset: usize,
        len: usize,
        mut part: impl FnMut(PhysAddr, usize, usize),
    ) -> Result<()> {
        let end = offset.checked_add(len).filter(|&end| end <= self.buffer.size()).ok_or(Errno::EINVAL)?;
        // Whoever revokes takes this lock before the memory is used otherwise.
        let _stays = self.shared.attachments.lock();
        self.buffer.check_not_revoked()?;
        let (first, last) = (offset >> PAGE_SHIFT, end.div_ceil(PAGE_SIZE));
        let (mut at, mut left) = (offset % PAGE_SIZE, len);
        for page in self.buffer.table().window(first, last.saturating_sub(first)).flat_map(Run::each_page) {
            let here = left.min(PAGE_SIZE - at);
            part(page, at, here);
            (at, left) = (0, left - here);
        }
        Ok(())
    }
}
