//! The CMA heap: contiguous memory out of a reserved region (Linux: `heaps/cma_heap.c`, `mm/cma.c`).

use core::ops::Range;

use lock_api::Mutex;

use crate::addr::{PAGE_SHIFT, PhysAddr};
use crate::attributes::Attributes;
use crate::contig::{Contig, Stats};
use crate::platform::Platform;
use crate::provider::HeapOps;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// Buffers are aligned to their size, up to this order: 1 MiB (Linux: `CONFIG_CMA_ALIGNMENT`).
const MAX_ALIGN_ORDER: u32 = 8;

/// A region of physical memory that only contiguous buffers come from.
pub struct CmaRegion<P: Platform> {
    span: Run,
    space: Mutex<P::PoolLock, Contig>,
}

impl<P: Platform> CmaRegion<P> {
    /// The `pages` page frames from `base`, which from now on are this region's alone. `EINVAL` for no pages, too
    /// many or an unaligned base; `ENOMEM`.
    pub fn new(base: PhysAddr, pages: usize) -> Result<CmaRegion<P>> {
        if !base.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let (span, space) = (Run::new(base, pages)?, Contig::new(pages, base.pfn())?);
        Ok(CmaRegion { span, space: Mutex::new(space) })
    }

    /// How full the region is.
    pub fn stats(&self) -> Stats {
        self.space.lock().stats()
    }

    /// The first page frame's address.
    pub fn base(&self) -> PhysAddr {
        self.span.start()
    }

    /// All of its page frames.
    pub fn span(&self) -> Run {
        self.span
    }

    /// Calls `f` with the page numbers of each free extent, in order of address, under the pool's lock.
    pub fn each_free(&self, f: &mut dyn FnMut(Range<usize>)) {
        self.space.lock().free_extents().for_each(f);
    }

    fn take(&self, pages: usize) -> Result<Run> {
        let align = pages.checked_next_power_of_two().map_or(MAX_ALIGN_ORDER, usize::trailing_zeros);
        let first = self.space.lock().allocate(pages, align.min(MAX_ALIGN_ORDER))?;
        Run::new(self.base().add_pages(first as u64), pages)
    }

    fn give_back(&self, run: Run) {
        let first = run.start().pfn() - self.base().pfn();
        self.space.lock().free(first as usize, run.pages());
    }
}

/// A contiguous heap's operations and private data.
pub struct CmaHeap<P: Platform> {
    region: &'static CmaRegion<P>,
    kind: &'static str,
    protected: bool,
}

impl<P: Platform> CmaHeap<P> {
    /// A heap over `region`, which other heaps may share.
    pub fn new(region: &'static CmaRegion<P>) -> CmaHeap<P> {
        CmaHeap { region, kind: "cma heap", protected: false }
    }

    /// A heap over a region that was carved out of memory for it.
    pub fn carveout(region: &'static CmaRegion<P>) -> CmaHeap<P> {
        CmaHeap { region, kind: "carveout heap", protected: false }
    }

    /// A heap whose buffers only devices may see: user space cannot map them. The platform's `zero` reaches them,
    /// in the place of the firmware that would clear them.
    pub fn protected(region: &'static CmaRegion<P>) -> CmaHeap<P> {
        CmaHeap { region, kind: "protected heap", protected: true }
    }
}

impl<P: Platform> HeapOps for CmaHeap<P> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn attributes(&self) -> Attributes {
        let (mappable, protected) = (!self.protected, self.protected);
        Attributes { mappable, protected, ..Attributes::contiguous(self.region.span()) }
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
fn zero<P: Platform>(run: Run) -> Result<()> {
    const STEP: usize = 256;
    for first in (0..run.pages()).step_by(STEP) {
        if P::fatal_signal_pending() {
            return Err(Errno::EINTR);
        }
        P::zero(run.start().add_pages(first as u64), STEP.min(run.pages() - first));
    }
    Ok(())
}
