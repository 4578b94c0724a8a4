//! The CMA heap: contiguous memory out of a reserved region (Linux: `heaps/cma_heap.c`).

use super::CmaRegion;
use crate::addr::PAGE_SHIFT;
use crate::attributes::Attributes;
use crate::platform::Platform;
use crate::provider::HeapOps;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

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
