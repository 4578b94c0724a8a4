//! The heap that `brk` moves (Linux: `mm/mmap.c`).

use heaps::PAGE_SIZE;

use super::layout::{Released, page_align};
use super::{AddressSpace, MMAP_TOP};
use crate::mm::vma::{VmFlags, Vma};
use crate::mm::{Prot, commit};

impl AddressSpace {
    /// Moves the heap's end to `to` and returns where it is then: unchanged when that cannot be.
    pub fn brk(&self, to: u64) -> u64 {
        let mut released = Released::default();
        let mut layout = self.lock();
        if to < layout.brk_start || to > MMAP_TOP {
            return layout.brk;
        }
        let (Some(old), Some(new)) = (page_align(layout.brk), page_align(to)) else {
            return layout.brk;
        };
        if new < old {
            if layout.clear(new, old, &mut released).is_err() {
                return layout.brk;
            }
        } else if new > old {
            let prot = Prot::READ | Prot::WRITE;
            let room = layout.admit_bytes(new - old, prot, VmFlags::HEAP, (0, 0)).is_ok()
                && commit::admit_movable((new - old) / PAGE_SIZE as u64).is_ok()
                && layout.admit_areas(1).is_ok();
            if !room || layout.areas.overlaps(old, new + PAGE_SIZE as u64) {
                return layout.brk;
            }
            layout.areas.insert(Vma::anonymous(old, new, Prot::READ | Prot::WRITE, VmFlags::HEAP));
        }
        layout.brk = to;
        drop(layout);
        drop(released);
        to
    }
}
