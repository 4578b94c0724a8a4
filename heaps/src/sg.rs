//! The page runs behind a buffer (Linux: `struct sg_table`), eight bytes a run and none on the heap for one.

use alloc::vec::Vec;
use core::slice;

use crate::addr::{PAGE_SHIFT, PhysAddr};
use crate::fallible::try_push;
use crate::{Errno, Result};

/// Bits for the page count; the other 40 hold the frame number of a 52-bit address.
const PAGES_BITS: u32 = 24;

/// A physically contiguous run of page frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Run(u64);

impl Run {
    /// The most pages a run can have: 64 GiB less one page.
    pub const MAX_PAGES: usize = (1 << PAGES_BITS) - 1;

    /// `pages` page frames from `start`, which is page-aligned and below 2^52; `EINVAL` for a run of none or of
    /// more than [`Run::MAX_PAGES`].
    pub const fn new(start: PhysAddr, pages: usize) -> Result<Run> {
        if pages == 0 || pages > Self::MAX_PAGES || !start.is_page_aligned() || start.pfn() >> 40 != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Run(start.pfn() << PAGES_BITS | pages as u64))
    }

    /// The first byte.
    pub const fn start(self) -> PhysAddr {
        PhysAddr::from_pfn(self.0 >> PAGES_BITS)
    }

    /// In pages, never 0.
    pub const fn pages(self) -> usize {
        (self.0 & ((1 << PAGES_BITS) - 1)) as usize
    }

    /// In bytes.
    pub const fn len(self) -> usize {
        self.pages() << PAGE_SHIFT
    }

    /// Where each of its pages begins, in order.
    pub fn each_page(self) -> impl Iterator<Item = PhysAddr> {
        (0..self.pages() as u64).map(move |page| self.start().add_pages(page))
    }

    /// Always false: a run has at least a page.
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl core::fmt::Debug for Run {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}+{} pages", self.start(), self.pages())
    }
}

/// An ordered list of runs. It owns nothing: whoever allocated the pages gives them back.
#[derive(Debug, Default)]
pub struct SgTable {
    runs: Runs,
    pages: usize,
}

#[derive(Debug, Default)]
enum Runs {
    #[default]
    None,
    One(Run),
    Many(Vec<Run>),
}

impl SgTable {
    /// A table without runs.
    pub const fn new() -> SgTable {
        SgTable { runs: Runs::None, pages: 0 }
    }

    /// Appends a run; `ENOMEM`. Runs stay as they were added, even when they touch.
    pub fn push(&mut self, run: Run) -> Result<()> {
        match &mut self.runs {
            Runs::None => self.runs = Runs::One(run),
            Runs::One(first) => {
                let mut many = Vec::new();
                many.try_reserve(4).map_err(|_| Errno::ENOMEM)?;
                many.push(*first);
                many.push(run);
                self.runs = Runs::Many(many);
            }
            Runs::Many(many) => try_push(many, run)?,
        }
        self.pages += run.pages();
        Ok(())
    }

    /// The runs in order.
    pub fn runs(&self) -> &[Run] {
        match &self.runs {
            Runs::None => &[],
            Runs::One(run) => slice::from_ref(run),
            Runs::Many(many) => many,
        }
    }

    /// In pages, all runs together.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// In bytes, all runs together.
    pub fn size(&self) -> usize {
        self.pages << PAGE_SHIFT
    }

    /// The runs that cover `pages` pages from page `first`, cut to that window. The window must lie inside.
    pub fn window(&self, first: usize, pages: usize) -> Window<'_> {
        debug_assert!(first + pages <= self.pages);
        let mut skip = first;
        let mut runs = self.runs();
        while let [run, rest @ ..] = runs {
            if skip < run.pages() {
                break;
            }
            skip -= run.pages();
            runs = rest;
        }
        Window { runs, skip, left: pages }
    }
}

/// The runs of a window, in order; see [`SgTable::window`].
#[derive(Clone, Debug)]
pub struct Window<'a> {
    runs: &'a [Run],
    skip: usize,
    left: usize,
}

impl Iterator for Window<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let (run, rest) = self.runs.split_first()?;
        let pages = (run.pages() - self.skip).min(self.left);
        let start = run.start().add_pages(self.skip as u64);
        (self.runs, self.skip, self.left) = (rest, 0, self.left - pages);
        Run::new(start, pages).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pfn: u64, pages: usize) -> Run {
        Run::new(PhysAddr::from_pfn(pfn), pages).unwrap()
    }

    #[test]
    fn a_run_holds_the_largest_address_and_count() {
        let r = run((1 << 40) - 1, Run::MAX_PAGES);
        assert_eq!((r.start().pfn(), r.pages()), ((1 << 40) - 1, Run::MAX_PAGES));
        assert_eq!(Run::new(PhysAddr::new(0), 0), Err(Errno::EINVAL));
        assert_eq!(Run::new(PhysAddr::new(0), Run::MAX_PAGES + 1), Err(Errno::EINVAL));
        assert_eq!(Run::new(PhysAddr::new(1), 1), Err(Errno::EINVAL));
        assert_eq!(Run::new(PhysAddr::from_pfn(1 << 40), 1), Err(Errno::EINVAL));
    }

    #[test]
    fn a_window_cuts_runs_at_both_ends() {
        let mut table = SgTable::new();
        for r in [run(100, 4), run(200, 2), run(300, 8)] {
            table.push(r).unwrap();
        }
        assert_eq!((table.pages(), table.size()), (14, 14 * 4096));
        let cut: Vec<Run> = table.window(3, 5).collect();
        assert_eq!(cut, [run(103, 1), run(200, 2), run(300, 2)]);
        assert_eq!(table.window(4, 2).collect::<Vec<_>>(), [run(200, 2)]);
        assert_eq!(table.window(0, 14).collect::<Vec<_>>(), table.runs());
        assert_eq!(table.window(14, 0).count(), 0);
    }
}
