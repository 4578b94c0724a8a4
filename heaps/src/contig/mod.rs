//! The contiguous allocator.

use crate::Result;

/// Numbers of pages that are free or taken.
pub struct Contig {}

/// How full a region is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pages in the region.
    pub pages: usize,
    /// Of those, free.
    pub free: usize,
    /// Free runs, each between taken pages.
    pub extents: usize,
    /// Pages in the largest free run.
    pub largest: usize,
}

impl Contig {
    /// `pages` free pages; page 0's frame number is `base`.
    pub fn new(_pages: usize, _base: u64) -> Result<Contig> {
        todo!()
    }
    /// Takes.
    pub fn allocate(&mut self, _pages: usize, _align: u32) -> Result<usize> {
        todo!()
    }
    /// Gives back.
    pub fn free(&mut self, _first: usize, _pages: usize) {
        todo!()
    }
    /// How full.
    pub fn stats(&self) -> Stats {
        todo!()
    }
}
