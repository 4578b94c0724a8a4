//! The CMA heap: contiguous memory out of a reserved region (Linux: `heaps/cma_heap.c`, `mm/cma.c`).

use core::marker::PhantomData;
use core::ops::Range;

use lock_api::Mutex;

use crate::addr::{PAGE_SHIFT, PhysAddr};
use crate::contig::{Contig, Stats};
use crate::platform::{Pages, Platform};
use crate::provider::HeapOps;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// Buffers are aligned to their size, up to this order: 1 MiB (Linux: `CONFIG_CMA_ALIGNMENT`).
const MAX_ALIGN_ORDER: u32 = 8;

/// A region of physical memory that only contiguous buffers come from.
pub struct CmaRegion<P: Platform> {
    base: PhysAddr,
    space: Mutex<P::PoolLock, Contig>,
}

impl<P: Platform> CmaRegion<P> {
    /// The `pages` page frames from `base`, which from now on are this region's alone. `EINVAL` for no pages, too
    /// many or an unaligned base; `ENOMEM`.
    pub fn new(base: PhysAddr, pages: usize) -> Result<CmaRegion<P>> {
        if !base.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let space = Contig::new(pages, base.pfn())?;
        Ok(CmaRegion { base, space: Mutex::new(space) })
    }

    /// How full the region is.
    pub fn stats(&self) -> Stats {
        self.space.lock().stats()
    }

    /// The first page frame's address.
    pub fn base(&self) -> PhysAddr {
        self.base
    }

    /// Calls `f` with the page numbers of each free extent, in order of address, under the pool's lock.
    pub fn each_free(&self, f: &mut dyn FnMut(Range<usize>)) {
        self.space.lock().free_extents().for_each(f);
    }

    /// Takes one run of `pages` page frames, aligned to its size, contents unspecified. `ENOMEM`.
    pub fn take(&self, pages: usize) -> Result<Run> {
        let align = pages.checked_next_power_of_two().map_or(MAX_ALIGN_ORDER, usize::trailing_zeros);
        let first = self.space.lock().allocate(pages, align.min(MAX_ALIGN_ORDER))?;
        Run::new(self.base.add_pages(first as u64), pages)
    }

    /// Gives back what `take` gave.
    pub fn give_back(&self, run: Run) {
        let first = run.start().pfn() - self.base.pfn();
        self.space.lock().free(first as usize, run.pages());
    }
}

/// Where contiguous memory comes from: a [`CmaRegion`], or whoever speaks for one.
pub trait Contiguous: Send + Sync + 'static {
    /// Takes one run of `pages` page frames, contents unspecified. `ENOMEM`.
    fn take(&self, pages: usize) -> Result<Run>;

    /// Gives back what `take` gave.
    fn give_back(&self, run: Run);
}

impl<P: Platform> Contiguous for &'static CmaRegion<P> {
    fn take(&self, pages: usize) -> Result<Run> {
        CmaRegion::take(self, pages)
    }

    fn give_back(&self, run: Run) {
        CmaRegion::give_back(self, run);
    }
}

/// A contiguous heap's operations and private data.
pub struct CmaHeap<P: Pages, R: Contiguous> {
    region: R,
    kind: &'static str,
    mappable: bool,
    pages: PhantomData<P>,
}

impl<P: Pages, R: Contiguous> CmaHeap<P, R> {
    /// A heap over `region`, which other heaps may share.
    pub fn new(region: R) -> CmaHeap<P, R> {
        CmaHeap { region, kind: "cma heap", mappable: true, pages: PhantomData }
    }

    /// A heap over a region that was carved out of memory for it.
    pub fn carveout(region: R) -> CmaHeap<P, R> {
        CmaHeap { kind: "carveout heap", ..CmaHeap::new(region) }
    }

    /// A heap whose buffers only devices may see: user space cannot map them. The platform's `zero` reaches them,
    /// in the place of the firmware that would clear them.
    pub fn protected(region: R) -> CmaHeap<P, R> {
        CmaHeap { kind: "protected heap", mappable: false, ..CmaHeap::new(region) }
    }
}

impl<P: Pages, R: Contiguous> HeapOps for CmaHeap<P, R> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn mappable(&self) -> bool {
        self.mappable
    }

    fn allocate(&self, len: usize, _flags: u64) -> Result<SgTable> {
        let pages = len >> PAGE_SHIFT;
        if pages > Run::MAX_PAGES {
            return Err(Errno::ENOMEM);
        }
        let run = self.region.take(pages)?;
        let mut table = SgTable::new();
        if let Err(errno) = zero::<P>(run).and_then(|()| table.push(run)) {
            self.region.give_back(run);
            return Err(errno);
        }
        Ok(table)
    }

    fn release(&self, table: SgTable) {
        for &run in table.runs() {
            self.region.give_back(run);
        }
    }
}

/// Zeroes a run by the MiB, so that a killed task stops soon.
fn zero<P: Pages>(run: Run) -> Result<()> {
    const STEP: usize = 256;
    for first in (0..run.pages()).step_by(STEP) {
        if P::fatal_signal_pending() {
            return Err(Errno::EINTR);
        }
        P::zero(run.start().add_pages(first as u64), STEP.min(run.pages() - first));
    }
    Ok(())
}
