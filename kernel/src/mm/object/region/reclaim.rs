//! What serves when no memory is left: what idles, what is quarantined, and at last a block kept for hard times.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use linked_list_allocator::Heap;

use super::list::List;
use super::{Region, UNIT};
use crate::arch::detector;
use crate::mm::object::classes;
use crate::mm::object::record::State;

impl Region {
    /// Gives what idles and what is quarantined back, so that it serves any size: a burst of one size would keep the
    /// memory from all others. Not for less than `worth` bytes: it looks at every object. Returns whether it did.
    pub(super) fn reclaim(&mut self, worth: usize) -> bool {
        if self.idle_bytes + self.quarantined_bytes < worth {
            return false;
        }
        self.drain();
        self.free = [List::EMPTY; classes::COUNT];
        self.slabs = [const { 0..0 }; classes::COUNT];
        self.idle_bytes = 0;
        self.take_all();
        // What is between two blocks in use is free. Downwards, for the list allocator looks for each block's place from
        // below, and finds it at once.
        let spare = self.spare.map_or(0, |spare| spare.addr().get());
        let mut end = self.end;
        for word in (0..self.records.len()).rev() {
            let mut bits = self.records[word];
            while bits != 0 {
                let bit = 63 - bits.leading_zeros();
                bits &= !(1 << bit);
                let record = word as u32 * 64 + bit;
                let object = self.object(record);
                let r = self.at(record);
                let (block, lead, idle) =
                    (r.block as usize, usize::from(r.lead) * UNIT, r.state == State::Idle);
                let start = object.addr() - lead;
                // The spare block has no record.
                if (start..end).contains(&spare) {
                    self.release(spare + self.spare_len..end);
                    end = spare;
                }
                if idle {
                    self.records[word] &= !(1 << bit);
                    // SAFETY: the object is nobody's; its tags become those of memory that is none.
                    unsafe { detector::idle(object, block - lead) };
                } else {
                    self.release(start + block..end);
                    end = start;
                }
            }
        }
        let start = self.blocks_at();
        if (start..end).contains(&spare) {
            self.release(spare + self.spare_len..end);
            end = spare;
        }
        self.release(start..end);
        true
    }

    /// Where the blocks begin, above the bitmap.
    fn blocks_at(&self) -> usize {
        self.base + size_of_val(self.records)
    }

    /// Makes the list allocator forget what is free: all is taken, until it is [released](Self::release).
    fn take_all(&mut self) {
        let (start, len) = (self.blocks_at() as *mut u8, self.end - self.blocks_at());
        // SAFETY: the memory is the region's. The allocator writes a hole's two words at its start, which are put back
        // when it has handed that hole out, whole.
        unsafe {
            let kept = start.cast::<[u64; 2]>().read();
            self.blocks = Heap::empty();
            self.blocks.init(start, len);
            let all = self.blocks.allocate_first_fit(Layout::from_size_align_unchecked(len, UNIT));
            debug_assert!(all.is_ok_and(|all| all.as_ptr() == start));
            start.cast::<[u64; 2]>().write(kept);
        }
    }

    /// Hands memory that no block is in to the list allocator, after [`take_all`](Self::take_all).
    fn release(&mut self, free: Range<usize>) {
        if let Some(start) = NonNull::new(free.start as *mut u8).filter(|_| !free.is_empty()) {
            // SAFETY: whole units between blocks, which nobody has, and which the allocator thinks taken.
            unsafe { self.blocks.deallocate(start, Layout::from_size_align_unchecked(free.len(), UNIT)) };
        }
    }

    /// Whether the spare block is there.
    pub(in crate::mm::object) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Sets the spare block aside again, if there is room for it. Returns whether it is there.
    pub(in crate::mm::object) fn restock(&mut self) -> bool {
        if self.spare.is_none() && !self.set_spare_aside() && self.reclaim(self.spare_len / 4) {
            self.set_spare_aside();
        }
        self.has_spare()
    }

    fn set_spare_aside(&mut self) -> bool {
        let layout = Layout::from_size_align(self.spare_len, UNIT).ok();
        self.spare = layout.and_then(|layout| self.blocks.allocate_first_fit(layout).ok());
        self.has_spare()
    }

    /// Lets the spare block serve. Returns whether it was there.
    pub(super) fn open_spare(&mut self) -> bool {
        let Some(spare) = self.spare.take() else { return false };
        // SAFETY: the block was allocated with this layout, by restock, and nobody else knows it.
        unsafe { self.blocks.deallocate(spare, Layout::from_size_align_unchecked(self.spare_len, UNIT)) };
        true
    }
}
