//! The machine, as heaps written for [`heaps`] need it: page frames and the contiguous region.

use heaps::exporter::Contiguous;
use heaps::{Pages, PhysAddr, Result, Run};

use crate::exports;
pub use crate::exports::{freed, meet_allocate, wait_drained, wake_drained};

/// The kernel's page frames.
pub struct Machine;

impl Pages for Machine {
    fn alloc_run(order: u32) -> Option<PhysAddr> {
        exports::alloc_run(order)
    }

    fn free_run(start: PhysAddr, order: u32) {
        exports::free_run(start, order);
    }

    fn zero(start: PhysAddr, pages: usize) {
        exports::zero(start, pages);
    }

    fn admit(pages: usize) -> Result<()> {
        exports::admit(pages)
    }

    fn fatal_signal_pending() -> bool {
        exports::fatal_signal_pending()
    }
}

/// The kernel's contiguous region.
pub struct DefaultRegion(Run);

impl DefaultRegion {
    /// The region; `ENODEV` where there is none.
    pub fn find() -> Result<DefaultRegion> {
        exports::find_contiguous().map(DefaultRegion)
    }
}

impl Contiguous for DefaultRegion {
    fn span(&self) -> Run {
        self.0
    }

    fn take(&self, pages: usize) -> Result<Run> {
        exports::take_contiguous(pages)
    }

    fn give_back(&self, run: Run) {
        exports::give_back_contiguous(run);
    }
}
