//! Fixed memory that goes although it is mapped: taking it from an address space, and finding out that nobody did.

use core::ops::Range;

use heaps::{PAGE_SIZE, PhysAddr};

use super::layout::Layout;
use crate::mm::vma::{Backing, Vma};

impl Layout {
    /// Unmaps every page of a revoked source. The areas stay: to touch them is SIGBUS.
    pub(in crate::mm) fn unmap_revoked(&mut self) {
        for vma in self.areas.iter().filter(|vma| is_revoked(vma)) {
            let done = self.table.forget(vma.start, vma.pages());
            debug_assert!(done.is_ok(), "a block across an area's end");
        }
    }

    /// Where fixed memory within `frames` is mapped, if it is.
    pub(in crate::mm) fn find_mapping(&self, frames: &Range<PhysAddr>) -> Option<u64> {
        let fixed = self.areas.iter().filter(|vma| matches!(vma.backing, Backing::Runs { .. }));
        fixed
            .flat_map(|vma| (vma.start..vma.end).step_by(PAGE_SIZE))
            .find(|&page| self.table.lookup(page).is_some_and(|(pa, _)| frames.contains(&pa)))
    }
}

fn is_revoked(vma: &Vma) -> bool {
    matches!(&vma.backing, Backing::Runs { source, .. } if source.is_revoked())
}
