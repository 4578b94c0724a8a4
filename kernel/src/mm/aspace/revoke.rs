//! Fixed memory that goes although it is mapped: taking it from an address space, and finding out that nobody did.

use heaps::{Errno, PAGE_SIZE, PhysAddr};

use super::layout::Layout;
use super::{USER_END, USER_START};
use crate::mm::vma::{Backing, Vma};

impl Layout {
    /// Unmaps every page of a revoked source. The areas stay: to touch them is SIGBUS.
    pub(in crate::mm) fn unmap_revoked(&mut self) {
        for vma in self.areas.iter().filter(|vma| is_revoked(vma)) {
            let done = self.table.forget(vma.start, vma.pages());
            debug_assert!(done.is_ok(), "a block across an area's end");
        }
    }

    /// The first page that is mapped and that `f` finds something about: where it is, and that. `f` is given a frame
    /// and how many frames are mapped in a row from there.
    pub(in crate::mm) fn find_mapping<T>(
        &self,
        f: &dyn Fn(PhysAddr, usize) -> Option<T>,
    ) -> Option<(u64, T)> {
        let mut found = None;
        let pages = (USER_END - USER_START) as usize / PAGE_SIZE;
        let _ = self.table.for_each(USER_START, pages, &mut |at, frame, pages| match f(frame, pages) {
            None => Ok(()),
            Some(what) => {
                found = Some((at, what));
                Err(Errno::EEXIST)
            }
        });
        found
    }
}

fn is_revoked(vma: &Vma) -> bool {
    matches!(&vma.backing, Backing::Runs { source, .. } if source.is_revoked())
}
