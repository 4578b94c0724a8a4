//! The contiguous allocator: best fit over a range of numbered pages, and the lowest place for what is small (Linux:
//! `mm/cma.c`, which searches a bitmap for the lowest place).
//!
//! Best fit alone would cut small allocations out of whichever large extent is the smallest: there they lie when the
//! large ones around them have long been freed, and keep these from coming together again. At the lowest place they
//! lie together.
//!
//! Free pages form extents, each between taken pages. Two pages' tags, at both ends of an extent, lead to its
//! node, so that what is freed finds its neighbours at once; trees order the extents by size and by place, so that
//! either is found in O(log n) for n extents, misfits by alignment aside. Freeing cannot fail: the node it may need
//! was set aside when the pages were taken.

mod tree;

#[cfg(all(test, not(feature = "loom")))]
mod linux_cma;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Errno, Result};
use tree::{Extent, Tree};

/// Pages numbered from 0, each free or taken.
#[derive(Debug)]
pub struct Contig {
    /// For the first and the last page of each extent its node, for all others `TAKEN`.
    tags: Vec<u32>,
    tree: Tree,
    /// The frame number of page 0, which alignment counts from.
    base: u64,
    free: usize,
    taken: usize,
}

/// Fewer pages than these are small: 256 KiB.
const SMALL: u32 = 64;

/// A tag that leads to no node.
const TAKEN: u32 = u32::MAX;

/// How full a region is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Pages in the region.
    pub pages: usize,
    /// Of those, free.
    pub free: usize,
    /// Allocations not yet freed.
    pub allocations: usize,
    /// Extents, each between taken pages.
    pub extents: usize,
    /// Pages in the largest extent.
    pub largest: usize,
}

impl Contig {
    /// `pages` free pages, of which the first has frame number `base`. `EINVAL` for none, or for 2^32 - 1 and
    /// more; `ENOMEM`.
    pub fn new(pages: usize, base: u64) -> Result<Contig> {
        let len = u32::try_from(pages).ok().filter(|&len| len != 0 && len != TAKEN).ok_or(Errno::EINVAL)?;
        let mut tags = Vec::new();
        tags.try_reserve_exact(pages).map_err(|_| Errno::ENOMEM)?;
        tags.resize(pages, TAKEN);
        let mut contig = Contig { tags, tree: Tree::new(), base, free: pages, taken: 0 };
        contig.tree.reserve(1)?;
        contig.add(Extent { len, start: 0 });
        Ok(contig)
    }

    /// Takes `pages` pages whose first frame number is a multiple of `1 << align`, and returns the first's number: out
    /// of the smallest extent that has them, less than 256 KiB out of the lowest. `ENOMEM` when no extent has; `EINVAL`
    /// for no pages.
    pub fn allocate(&mut self, pages: usize, align: u32) -> Result<usize> {
        self.allocate_within(pages, align, 0..self.tags.len())
    }

    /// Like [`allocate`](Self::allocate), out of the pages numbered by `range` alone, for a device that does not
    /// reach all of the region. Extents that are long enough and lie elsewhere are walked over, so this is
    /// O(n log n) at worst. What of `range` the region does not have is ignored.
    pub fn allocate_within(&mut self, pages: usize, align: u32, range: Range<usize>) -> Result<usize> {
        if pages == 0 {
            return Err(Errno::EINVAL);
        }
        let len = u32::try_from(pages).map_err(|_| Errno::ENOMEM)?;
        // There may be one extent more after this, and one more for every allocation after it was freed.
        self.tree.reserve(self.tree.len() + self.taken + 2)?;
        let page = |number: usize| number.min(self.tags.len()) as u32;
        let within = page(range.start)..page(range.end);
        let (node, start) = self.find(len, align, within).ok_or(Errno::ENOMEM)?;
        let extent = self.remove(node);
        if start > extent.start {
            self.add(Extent { start: extent.start, len: start - extent.start });
        }
        if start + len < extent.end() {
            self.add(Extent { start: start + len, len: extent.end() - start - len });
        }
        self.free -= pages;
        self.taken += 1;
        Ok(start as usize)
    }

    /// Gives back `pages` pages from `first`, as one `allocate` gave them, and joins them to free neighbours.
    pub fn free(&mut self, first: usize, pages: usize) {
        let (mut start, mut end) = (first as u32, (first + pages) as u32);
        debug_assert!(pages > 0 && first + pages <= self.tags.len() && self.taken > 0);
        if let Some(node) = self.extent_at(start.wrapping_sub(1)) {
            start = self.remove(node).start;
        }
        if let Some(node) = self.extent_at(end) {
            end = self.remove(node).end();
        }
        self.add(Extent { start, len: end - start });
        self.free += pages;
        self.taken -= 1;
    }

    /// How full the region is. O(log n).
    pub fn stats(&self) -> Stats {
        Stats {
            pages: self.tags.len(),
            free: self.free,
            allocations: self.taken,
            extents: self.tree.len(),
            largest: self.tree.longest() as usize,
        }
    }

    /// The free extents as ranges of page numbers, in order of address; what is between them is taken. For a map of
    /// the region: O(pages).
    pub fn free_extents(&self) -> impl Iterator<Item = Range<usize>> {
        let mut page = 0;
        core::iter::from_fn(move || {
            let rest = self.tags.get(page..)?;
            let node = rest.iter().copied().find(|&node| node != TAKEN)?;
            let extent = self.tree.extent(node);
            page = extent.end() as usize;
            Some(extent.start as usize..page)
        })
    }

    /// The smallest extent that holds `len` pages at this alignment in `within`, or for a small `len` the lowest, and
    /// where in it they would start. Extents that are long enough but misaligned or elsewhere are walked over; the
    /// first that fits ends it.
    fn find(&self, len: u32, align: u32, within: Range<u32>) -> Option<(u32, u32)> {
        let mut past = Extent { len, start: 0 };
        loop {
            let (node, extent) = match len < SMALL {
                true => self.tree.lowest_from(past.start, len)?,
                false => self.tree.first_from(past)?,
            };
            if let Some(start) = self.fit(extent, len, align, &within) {
                return Some((node, start));
            }
            past = Extent { start: extent.start + 1, ..extent };
        }
    }

    /// Where in an extent `len` aligned pages would start.
    fn fit(&self, extent: Extent, len: u32, align: u32, within: &Range<u32>) -> Option<u32> {
        let frame = self.base + u64::from(extent.start.max(within.start));
        let aligned = frame.checked_next_multiple_of(1u64.checked_shl(align)?)?;
        let start = u32::try_from(aligned - self.base).ok()?;
        (start.checked_add(len)? <= extent.end().min(within.end)).then_some(start)
    }

    /// The node of the extent that starts or ends with `page`, if there is one.
    fn extent_at(&self, page: u32) -> Option<u32> {
        self.tags.get(page as usize).copied().filter(|&node| node != TAKEN)
    }

    fn add(&mut self, extent: Extent) {
        let node = self.tree.insert(extent);
        self.tags[extent.start as usize] = node;
        self.tags[extent.end() as usize - 1] = node;
    }

    fn remove(&mut self, node: u32) -> Extent {
        let extent = self.tree.remove(node);
        self.tags[extent.start as usize] = TAKEN;
        self.tags[extent.end() as usize - 1] = TAKEN;
        extent
    }
}
