//! Files as a source of mapped memory.
#![forbid(unsafe_code)]

use heaps::{PhysAddr, Result};

use crate::drivers::dma_heap;
use crate::mm::aspace::mappers::FilePages;
use crate::mm::vma::{MapSource, Origin};
use crate::vfs::File;

impl MapSource for File {
    fn origin(&self) -> Result<Origin> {
        Ok(Origin { dev: self.inode().dev(), ino: self.inode().ino(), name: self.link_text()? })
    }

    fn pages(&self) -> Option<&dyn FilePages> {
        self.ops().pages(self)
    }

    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        self.ops().map_runs(first, pages, each)
    }

    fn buffer_bytes(&self) -> Option<usize> {
        dma_heap::buffer_bytes(self)
    }

    fn is_revoked(&self) -> bool {
        self.ops().is_revoked()
    }
}
