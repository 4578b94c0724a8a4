//! Taking fixed memory away from an address space whose file says that it is revoked.

use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::Ordering;

use heaps::{PAGE_SIZE, PhysAddr};

use super::AddressSpace;
use crate::mm::spaces;
use crate::mm::vma::{Backing, Vma};

impl AddressSpace {
    /// Shares it, and lets those find it who take memory away.
    pub fn share(self) -> Arc<AddressSpace> {
        let mm = Arc::new(self);
        mm.number.store(spaces::enter(&mm), Ordering::Relaxed);
        if spaces::any_revoked() {
            mm.unmap_revoked();
        }
        mm
    }

    /// Unmaps every page of a revoked source. The areas stay: to touch them is SIGBUS.
    pub(in crate::mm) fn unmap_revoked(&self) {
        let mut layout = self.lock();
        let layout = &mut *layout;
        for vma in layout.areas.iter().filter(|vma| is_revoked(vma)) {
            let done = layout.table.forget(vma.start, vma.pages());
            debug_assert!(done.is_ok(), "a block across an area's end");
        }
    }

    /// Where fixed memory within `frames` is mapped, if it is.
    pub(in crate::mm) fn find_mapping(&self, frames: &Range<PhysAddr>) -> Option<u64> {
        let layout = self.lock();
        let fixed = layout.areas.iter().filter(|vma| matches!(vma.backing, Backing::Runs { .. }));
        fixed.flat_map(|vma| (vma.start..vma.end).step_by(PAGE_SIZE)).find(|&page| {
            layout.table.lookup(page).is_some_and(|(pa, _)| frames.start <= pa && pa < frames.end)
        })
    }
}

fn is_revoked(vma: &Vma) -> bool {
    matches!(&vma.backing, Backing::Runs { source, .. } if source.is_revoked())
}
