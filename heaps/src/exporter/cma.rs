//! The CMA heap: contiguous memory out of a reserved region (Linux: `heaps/cma_heap.c`).

use core::marker::PhantomData;

use super::CmaRegion;
use crate::addr::PAGE_SHIFT;
use crate::attributes::Attributes;
use crate::platform::{Pages, Platform};
use crate::provider::HeapOps;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// Where contiguous memory comes from: a [`CmaRegion`], or whoever speaks for one.
pub trait Contiguous: Send + Sync + 'static {
    /// All of its page frames.
    fn span(&self) -> Run;

    /// Takes one run of `pages` page frames, contents unspecified. `ENOMEM`, `EINTR`. May sleep.
    fn take(&self, pages: usize) -> Result<Run>;

    /// Gives back what `take` gave.
    fn give_back(&self, run: Run);
}

impl<P: Platform> Contiguous for &'static CmaRegion<P> {
    fn span(&self) -> Run {
        CmaRegion::span(self)
    }

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
    protected: bool,
    pages: PhantomData<P>,
}

impl<P: Pages, R: Contiguous> CmaHeap<P, R> {
    /// A heap over `region`, which other heaps may share.
    pub fn new(region: R) -> CmaHeap<P, R> {
        CmaHeap { region, kind: "cma heap", protected: false, pages: PhantomData }
    }

    /// A heap over a region that was carved out of memory for it.
    pub fn carveout(region: R) -> CmaHeap<P, R> {
        CmaHeap { kind: "carveout heap", ..CmaHeap::new(region) }
    }

    /// A heap whose buffers only devices may see: user space cannot map them. The platform's `zero` reaches them,
    /// in the place of the firmware that would clear them.
    pub fn protected(region: R) -> CmaHeap<P, R> {
        CmaHeap { kind: "protected heap", protected: true, ..CmaHeap::new(region) }
    }
}

impl<P: Pages, R: Contiguous> HeapOps for CmaHeap<P, R> {
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
