//! The copy of an address space that a forked child gets: pages shared until one side writes (Linux: `dup_mmap`).

use alloc::sync::{Arc, Weak};

use heaps::Result;

use super::layout::Layout;
use super::{AddressSpace, Space};
use crate::arch::PageTable;
use crate::mm::vma::{Backing, VmFlags, Vma};
use crate::mm::{MemKind, Prot, frames, spaces};
use crate::sync::Mutex;

impl AddressSpace {
    /// A copy with the same contents. `ENOMEM`. May sleep.
    pub fn fork(&self) -> Result<AddressSpace> {
        let table = PageTable::new()?;
        let root = table.root();
        let mut place = spaces::Place::reserve()?;
        let mut copied = Ok(());
        let mut parent = self.lock();
        let layout = Arc::new_cyclic(|me| {
            let mut child = Layout::new(table);
            copied = parent.copy_into(&mut child, me);
            Mutex::new(child)
        });
        // Found by now by who comes to the parent after this.
        place.enter(&layout);
        drop(parent);
        let child = AddressSpace { layout, root, _place: place };
        // A child that failed half-way gives its shares back as it drops; the parent's pages, read-only now,
        // turn writable again at the next write.
        copied.map(|()| child)
    }
}

impl Layout {
    fn copy_into(&mut self, child: &mut Layout, space: &Weak<Space>) -> Result<()> {
        (child.brk_start, child.brk, child.limits) = (self.brk_start, self.brk, self.limits);
        for vma in self.areas.iter().filter(|vma| !vma.flags.contains(VmFlags::DONTFORK)) {
            // The area first: should a page fail, dropping the child finds those before it.
            child.admit_areas(1)?;
            child.add(Vma { backing: vma.backing.for_space(space)?, ..vma.clone() })?;
            if vma.backing.copies_on_write() && !vma.flags.contains(VmFlags::WIPEONFORK) {
                share_pages(&mut self.table, &mut child.table, vma)?;
            }
        }
        Ok(())
    }
}

impl Backing {
    /// The same for a child's address space. `ENOMEM`.
    fn for_space(&self, space: &Weak<Space>) -> Result<Backing> {
        let mut backing = self.clone();
        if let Backing::File { file, .. } | Backing::Content { file, .. } = &mut backing {
            *file = file.again(space)?;
        }
        Ok(backing)
    }
}

/// Maps the pages an area has in the child too; neither side may write them from now on without a fault.
fn share_pages(parent: &mut PageTable, child: &mut PageTable, vma: &Vma) -> Result<()> {
    let prot = vma.shared_prot();
    let mut any = false;
    parent.for_each(vma.start, vma.pages(), &mut |va, pa, pages| {
        any = true;
        for i in 0..pages as u64 {
            child.map(va + i * heaps::PAGE_SIZE as u64, pa.add_pages(i), 1, prot, MemKind::Normal)?;
            frames::share(pa.add_pages(i));
        }
        Ok(())
    })?;
    if any && vma.prot.contains(Prot::WRITE) {
        parent.protect(vma.start, vma.pages(), prot)?;
    }
    Ok(())
}
