//! Changing what areas allow, and advice about them: `mprotect`, `madvise` (Linux: `mm/mprotect.c`, `mm/madvise.c`).

use heaps::{Errno, Result};

use super::AddressSpace;
use super::layout::{Layout, publish_code, user_range};
use crate::mm::Prot;
use crate::mm::vma::{Backing, VmFlags, Vma};

impl AddressSpace {
    /// Allows exactly `prot` in a range. `EINVAL`; `ENOMEM` at the first gap and `EACCES` at the first area that
    /// may not be so: what is below it has changed then.
    pub fn protect(&self, addr: u64, len: u64, prot: Prot) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len).map_err(|e| wrapped(addr, e))?;
        self.lock().change(addr, end, |vma| {
            if !vma.max_prot.contains(prot) {
                return Err(Errno::EACCES);
            }
            vma.prot = prot;
            Ok(())
        })
    }

    /// Says whether a child finds zeros in a range. `EINVAL` for what is not private and anonymous, `ENOMEM` at a gap.
    pub fn set_wiped(&self, addr: u64, len: u64, on: bool) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len)?;
        self.lock().change(addr, end, |vma| {
            if on && !matches!(vma.backing, Backing::Anonymous) {
                return Err(Errno::EINVAL);
            }
            vma.flags.set(VmFlags::WIPEONFORK, on);
            Ok(())
        })
    }

    /// Sets or clears properties of a range. `EINVAL`, `ENOMEM` at a gap.
    pub fn set_flags(&self, addr: u64, len: u64, flags: VmFlags, on: bool) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len)?;
        self.lock().change(addr, end, |vma| {
            vma.flags.set(flags, on);
            Ok(())
        })
    }

    /// Forgets the pages of a range: private ones read as at their first touch again. `EINVAL` for fixed memory, and for
    /// what is not private and anonymous where `only_anonymous`; `ENOMEM` for a gap, after having done the rest.
    pub fn discard(&self, addr: u64, len: u64, only_anonymous: bool) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len)?;
        let mut layout = self.lock();
        let mut at = addr;
        let mut gap = false;
        while let Some(vma) = layout.areas.first_from(at).filter(|vma| vma.start < end) {
            match vma.backing {
                Backing::Anonymous => {}
                Backing::Runs { .. } => return Err(Errno::EINVAL),
                _ if only_anonymous => return Err(Errno::EINVAL),
                _ => {}
            }
            gap |= vma.start > at;
            let part = Vma { start: vma.start.max(addr), end: vma.end.min(end), ..vma.clone() };
            at = part.end;
            layout.unmap_pages(&part);
            if at == end {
                break;
            }
        }
        if gap || at < end { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Whether areas cover a range without a gap. `EINVAL`, `ENOMEM` for a gap.
    pub fn check_mapped(&self, addr: u64, len: u64) -> Result<()> {
        let end = if len == 0 { return Ok(()) } else { user_range(addr, len)? };
        if self.lock().areas.covers(addr, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}

impl Layout {
    /// Applies `edit` to the areas of `start..end`, split where it begins and ends, and lets the page table
    /// follow. Stops at a gap (`ENOMEM`) or the first area that `edit` refuses.
    fn change(&mut self, start: u64, end: u64, mut edit: impl FnMut(&mut Vma) -> Result<()>) -> Result<()> {
        let mut at = start;
        while at < end {
            let vma = self.areas.find(at).ok_or(Errno::ENOMEM)?;
            edit(&mut vma.clone())?;
            let stop = vma.end.min(end);
            let splits = usize::from(vma.start < at) + usize::from(stop < vma.end);
            self.admit_areas(splits)?;
            self.split_blocks(at)?;
            self.split_blocks(stop)?;
            if let Some(mut vma) = self.areas.take_first(at, stop) {
                let before = vma.prot;
                let edited = edit(&mut vma);
                if vma.prot != before {
                    if !before.contains(Prot::EXEC) {
                        self.publish_area(&vma);
                    }
                    self.table.protect(at, vma.pages(), vma.shared_prot())?;
                }
                self.areas.insert(vma);
                edited?;
            }
            at = stop;
        }
        Ok(())
    }
}

impl Layout {
    /// What is mapped of an area is about to be executable, if the area is.
    fn publish_area(&self, vma: &Vma) {
        if vma.prot.contains(Prot::EXEC) {
            let _ = self.table.for_each(vma.start, vma.pages(), &mut |_, frame, pages| {
                publish_code(vma.prot, frame, pages);
                Ok(())
            });
        }
    }
}

/// `mprotect` reports a range that wraps or leaves user space as unmapped, an unaligned one as invalid.
fn wrapped(addr: u64, error: Errno) -> Errno {
    if addr.is_multiple_of(heaps::PAGE_SIZE as u64) { Errno::ENOMEM } else { error }
}
