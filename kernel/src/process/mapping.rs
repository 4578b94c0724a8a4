//! Files as a source of mapped memory.
#![forbid(unsafe_code)]

use heaps::{PhysAddr, Result};

use crate::mm::vma::MapSource;
use crate::vfs::File;

impl MapSource for File {
    fn read_content(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.ops().map_content(self, offset, into)
    }

    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        self.ops().map_runs(first, pages, each)
    }

    fn is_revoked(&self) -> bool {
        self.ops().is_revoked()
    }
}
