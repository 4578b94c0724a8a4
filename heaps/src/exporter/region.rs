//! A region of physical memory that contiguous buffers come from (Linux: `mm/cma.c`, `alloc_contig_range`).
//!
//! What no buffer has may be lent, a page at a time, to whoever can be moved off it again. A buffer comes first: the
//! pages it is given are taken, so that none of them is lent any more, and then those that were are asked back. Where
//! one of them does not come back, another range is tried.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::{Mutex, MutexGuard};

use super::loans::Loans;
use crate::addr::PhysAddr;
use crate::contig::{Contig, Stats};
use crate::platform::Platform;
use crate::sg::Run;
use crate::{Errno, Result};

/// Buffers are aligned to their size, up to this order: 1 MiB (Linux: `CONFIG_CMA_ALIGNMENT`).
const MAX_ALIGN_ORDER: u32 = 8;

/// A region of physical memory that only contiguous buffers come from, and loans.
pub struct CmaRegion<P: Platform> {
    span: Run,
    pool: Mutex<P::PoolLock, Pool>,
    moved: AtomicUsize,
    busy: AtomicUsize,
}

struct Pool {
    space: Contig,
    /// `None` for a region that lends nothing.
    loans: Option<Loans>,
}

/// What comes of trying to take a run.
enum Attempt {
    Taken(Run),
    /// There is none.
    Full,
    /// Some page of it stays where it is.
    Busy,
}

/// What became of loans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoanStats {
    /// Pages that are lent.
    pub lent: usize,
    /// Pages that came back because a buffer needed them.
    pub moved: usize,
    /// Ranges that were given up because some page in them did not.
    pub busy: usize,
}

impl<P: Platform> CmaRegion<P> {
    /// The `pages` page frames from `base`, which from now on are this region's alone, and are not lent. `EINVAL` for no
    /// pages, too many or an unaligned base; `ENOMEM`.
    pub fn new(base: PhysAddr, pages: usize) -> Result<CmaRegion<P>> {
        let (span, space) = (Run::new(base, pages)?, Contig::new(pages, base.pfn())?);
        let pool = Mutex::new(Pool { space, loans: None });
        Ok(CmaRegion { span, pool, moved: AtomicUsize::new(0), busy: AtomicUsize::new(0) })
    }

    /// The same, of page frames that are lent while no buffer has them (device tree: `reusable`).
    pub fn lending(base: PhysAddr, pages: usize) -> Result<CmaRegion<P>> {
        let mut region = CmaRegion::new(base, pages)?;
        region.pool.get_mut().loans = Some(Loans::new(pages)?);
        Ok(region)
    }

    /// How full the region is. What is lent counts as free.
    pub fn stats(&self) -> Stats {
        self.pool().space.stats()
    }

    /// What is lent, and what came of it.
    pub fn loan_stats(&self) -> LoanStats {
        let lent = self.pool().loans.as_ref().map_or(0, Loans::count);
        LoanStats { lent, moved: self.moved.load(Ordering::Relaxed), busy: self.busy.load(Ordering::Relaxed) }
    }

    /// The first page frame's address.
    pub fn base(&self) -> PhysAddr {
        self.span.start()
    }

    /// All of its page frames.
    pub fn span(&self) -> Run {
        self.span
    }

    /// Calls `f` with the page numbers of what no buffer has, in order of address, in pieces that end where a multiple of
    /// `step` does at the latest, and with how many pages of each are lent; under the pool's lock.
    pub fn each_free(&self, step: usize, f: &mut dyn FnMut(Range<usize>, usize)) {
        let pool = self.pool();
        let lent = |piece: Range<usize>| pool.loans.as_ref().map_or(0, |loans| loans.count_in(piece));
        for extent in pool.space.free_extents() {
            let mut at = extent.start;
            while at < extent.end {
                let end = extent.end.min((at + 1).next_multiple_of(step));
                f(at..end, lent(at..end));
                at = end;
            }
        }
    }

    /// Takes one run of `pages` page frames, aligned to its size, contents unspecified. Pages of it that are lent are
    /// asked back. `ENOMEM` where there is no such run, or in each some page stays; `EINTR`. May sleep.
    pub fn take(&self, pages: usize) -> Result<Run> {
        let align = pages.checked_next_power_of_two().map_or(MAX_ALIGN_ORDER, usize::trailing_zeros);
        let align = align.min(MAX_ALIGN_ORDER);
        match self.take_within(pages, align, 0..self.span.pages())? {
            Attempt::Taken(run) => Ok(run),
            Attempt::Full => Err(Errno::ENOMEM),
            Attempt::Busy => self.take_anywhere(pages, align),
        }
    }

    /// The place chosen is busy: every place there is, in order of address. Places that overlap the busy page fail once
    /// each; that is what a page that cannot be moved costs.
    fn take_anywhere(&self, pages: usize, align: u32) -> Result<Run> {
        let base = self.base().pfn();
        let first = (base.next_multiple_of(1 << align) - base) as usize;
        let last = self.span.pages().checked_sub(pages).ok_or(Errno::ENOMEM)?;
        for start in (first..=last).step_by(1 << align) {
            if P::fatal_signal_pending() {
                return Err(Errno::EINTR);
            }
            if let Attempt::Taken(run) = self.take_within(pages, align, start..start + pages)? {
                return Ok(run);
            }
        }
        Err(Errno::ENOMEM)
    }

    /// A run out of `range`. `ENOMEM` where there is no memory to move to what is lent.
    fn take_within(&self, pages: usize, align: u32, range: Range<usize>) -> Result<Attempt> {
        let mut pool = self.pool();
        let Ok(first) = pool.space.allocate_within(pages, align, range) else { return Ok(Attempt::Full) };
        let lent = pool.loans.as_mut().map_or(0, |loans| {
            loans.set_taken(first..first + pages, true);
            loans.count_in(first..first + pages)
        });
        drop(pool);
        let run = Run::new(self.base().add_pages(first as u64), pages)?;
        if lent == 0 {
            return Ok(Attempt::Taken(run));
        }
        let asked = P::evict(run);
        // Whether they came back is seen by the marks, whatever the platform says.
        let stay = self.pool().loans.as_ref().map_or(0, |loans| loans.count_in(first..first + pages));
        self.moved.fetch_add(lent - stay, Ordering::Relaxed);
        if stay == 0 {
            return Ok(Attempt::Taken(run));
        }
        self.give_back(run);
        if asked == Err(Errno::ENOMEM) {
            return Err(Errno::ENOMEM);
        }
        self.busy.fetch_add(1, Ordering::Relaxed);
        Ok(Attempt::Busy)
    }

    /// Gives back what `take` gave.
    pub fn give_back(&self, run: Run) {
        let first = self.page_of(run.start());
        let mut pool = self.pool();
        pool.space.free(first, run.pages());
        if let Some(loans) = &mut pool.loans {
            loans.set_taken(first..first + run.pages(), false);
        }
    }

    /// How many pages could be lent now.
    pub fn lendable(&self) -> usize {
        self.pool().loans.as_ref().map_or(0, Loans::lendable)
    }

    /// How many pages nobody has, whether they could be lent or not.
    pub fn unused(&self) -> usize {
        let pool = self.pool();
        pool.loans.as_ref().map_or_else(|| pool.space.stats().free, Loans::lendable)
    }

    /// Lends a page frame, contents unspecified, to somebody who can be [moved off it](Platform::evict).
    pub fn lend(&self) -> Option<PhysAddr> {
        let page = self.pool().loans.as_mut()?.lend()?;
        Some(self.base().add_pages(page as u64))
    }

    /// Takes a page frame back that was lent. False for one that was not.
    pub fn take_back(&self, frame: PhysAddr) -> bool {
        let mine = self.base().pfn()..self.base().pfn() + self.span.pages() as u64;
        mine.contains(&frame.pfn())
            && self.pool().loans.as_mut().is_some_and(|loans| loans.give_back(self.page_of(frame)))
    }

    fn page_of(&self, frame: PhysAddr) -> usize {
        (frame.pfn() - self.base().pfn()) as usize
    }

    fn pool(&self) -> MutexGuard<'_, P::PoolLock, Pool> {
        self.pool.lock()
    }
}
