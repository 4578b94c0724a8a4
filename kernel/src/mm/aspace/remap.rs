//! Moving and resizing areas: `mremap` (Linux: `mm/mremap.c`).

use heaps::{Errno, PAGE_SIZE, Result};

use super::layout::{Layout, Released, page_align};
use super::map::MapFlags;
use super::{AddressSpace, MMAP_TOP, USER_END};
use crate::mm::vma::{Backing, VmFlags, Vma};
use crate::mm::{MemKind, Prot, commit};

/// `MREMAP_MAYMOVE`.
pub const MAYMOVE: u32 = 1;
/// `MREMAP_FIXED`.
pub const FIXED: u32 = 2;
/// `MREMAP_DONTUNMAP`.
pub const DONTUNMAP: u32 = 4;

impl AddressSpace {
    /// Makes the mapping at `old` `new_len` bytes long, somewhere else where `flags` allow or `to` demands.
    /// Errors as `mremap(2)`: `EINVAL`, `EFAULT`, `ENOMEM`.
    pub fn remap(&self, old: u64, old_len: u64, new_len: u64, flags: u32, to: u64) -> Result<u64> {
        let (old_len, new_len) = check(old, old_len, new_len, flags, to)?;
        let mut released = Released::default();
        let mut layout = self.lock();
        let moved = layout.remap(old, old_len, new_len, flags, to, &mut released);
        drop(layout);
        drop(released);
        moved
    }
}

fn check(old: u64, old_len: u64, new_len: u64, flags: u32, to: u64) -> Result<(u64, u64)> {
    let page = PAGE_SIZE as u64;
    let fixed = flags & FIXED != 0;
    let (moves, keeps) = (flags & MAYMOVE != 0, flags & DONTUNMAP != 0);
    if flags & !(MAYMOVE | FIXED | DONTUNMAP) != 0
        || ((fixed || keeps) && !moves)
        || !old.is_multiple_of(page)
    {
        return Err(Errno::EINVAL);
    }
    let old_len = page_align(old_len).ok_or(Errno::EINVAL)?;
    let new_len = page_align(new_len).filter(|&n| n != 0).ok_or(Errno::EINVAL)?;
    if keeps && old_len != new_len {
        return Err(Errno::EINVAL);
    }
    if new_len > USER_END {
        return Err(if fixed { Errno::EINVAL } else { Errno::ENOMEM });
    }
    if old >= USER_END || old_len > USER_END - old {
        return Err(Errno::EINVAL);
    }
    let apart = to >= old.saturating_add(old_len) || old >= to.saturating_add(new_len);
    if fixed && (!to.is_multiple_of(page) || to > USER_END - new_len || !apart) {
        return Err(Errno::EINVAL);
    }
    Ok((old_len, new_len))
}

impl Layout {
    fn remap(
        &mut self,
        old: u64,
        old_len: u64,
        new_len: u64,
        flags: u32,
        to: u64,
        released: &mut Released,
    ) -> Result<u64> {
        let vma = self.areas.find(old).ok_or(Errno::EFAULT)?;
        let (grows, keeps) = (new_len > old_len, flags & DONTUNMAP != 0);
        let fixed_memory = matches!(vma.backing, Backing::Runs { .. });
        // Nothing of a shared mapping, made larger, is another one of the same.
        let copies = old_len == 0;
        if (copies && !vma.flags.contains(VmFlags::SHARED)) || (keeps && fixed_memory) {
            return Err(Errno::EINVAL);
        }
        if old + old_len > vma.end || (grows && fixed_memory) {
            return Err(Errno::EFAULT);
        }
        let tail = old + old_len == vma.end && !copies;
        if keeps {
            self.admit_bytes(new_len, vma.prot, vma.flags, (0, 0))?;
            commit::admit(new_len / PAGE_SIZE as u64)?;
        } else if flags & FIXED == 0 {
            if !grows {
                self.clear(old + new_len, old + old_len, released)?;
                return Ok(old);
            }
            self.admit_bytes(new_len - old_len, vma.prot, vma.flags, (0, 0))?;
            commit::admit_movable((new_len - old_len) / PAGE_SIZE as u64)?;
            if tail && self.extend(old + old_len, old + new_len) {
                return Ok(old);
            }
            if flags & MAYMOVE == 0 {
                return Err(Errno::ENOMEM);
            }
        }
        self.admit_areas(3)?;
        let how = if flags & FIXED != 0 { MapFlags::FIXED } else { MapFlags::empty() };
        let to = self.place(to, new_len, how)?;
        self.clear(to, to + new_len, released)?;
        if copies {
            return self.copy_area(old, new_len, to);
        }
        let left = if keeps { Some(self.part(old, old + old_len)?) } else { None };
        let moved = self.move_area(old, old_len, new_len, to, released)?;
        left.map_or(Ok(()), |left| self.add(left))?;
        Ok(moved)
    }

    /// What an area is from `start` to `end`.
    fn part(&self, start: u64, end: u64) -> Result<Vma> {
        let vma = self.areas.find(start).ok_or(Errno::EFAULT)?;
        let part = if vma.start < start { vma.clone().split_off(start) } else { vma.clone() };
        Ok(Vma { end, ..part })
    }

    /// Maps at `to` what follows `at`, too.
    fn copy_area(&mut self, at: u64, len: u64, to: u64) -> Result<u64> {
        let part = self.part(at, at + PAGE_SIZE as u64)?;
        self.add(Vma { start: to, end: to + len, ..part })?;
        Ok(to)
    }

    /// Lets the area that ends at `end` end at `new_end`, if that is free.
    fn extend(&mut self, end: u64, new_end: u64) -> bool {
        if new_end > MMAP_TOP || self.areas.overlaps(end, new_end) {
            return false;
        }
        let Some(start) = self.areas.find(end - 1).map(|vma| vma.start) else { return false };
        let Some(mut vma) = self.areas.take_first(start, end) else { return false };
        vma.end = new_end;
        self.areas.insert(vma);
        true
    }

    fn move_area(
        &mut self,
        old: u64,
        old_len: u64,
        new_len: u64,
        to: u64,
        released: &mut Released,
    ) -> Result<u64> {
        let kept = old_len.min(new_len);
        if kept < old_len {
            self.clear(old + kept, old + old_len, released)?;
        }
        for edge in [old, old + kept] {
            self.split_blocks(edge)?;
        }
        let vma = self.areas.find(old).ok_or(Errno::EFAULT)?;
        let moved = Vma { start: to, end: to + new_len, ..self.part(old, old + kept)? };
        let (counted, prot) = (vma.backing.counts_pages(), vma.shared_prot());
        if counted {
            self.alias_pages(old, kept, to, prot)?;
            self.areas.insert(moved);
        } else {
            self.add(moved)?;
        }
        // The frames stay: their shares are the new entries' now.
        self.table.unmap(old, (kept / PAGE_SIZE as u64) as usize, &mut |_, _, _| {})?;
        if let Some(vma) = self.areas.take_first(old, old + kept) {
            released.keep(vma);
        }
        Ok(to)
    }

    /// Maps the pages of `old..old+len` at `to` as well. On error none is.
    fn alias_pages(&mut self, old: u64, len: u64, to: u64, prot: Prot) -> Result<()> {
        for at in (0..len).step_by(PAGE_SIZE) {
            let Some((pa, _)) = self.table.lookup(old + at) else { continue };
            let mapped = self.table.map(to + at, pa, 1, prot, MemKind::Normal);
            if mapped.is_err() {
                self.table.unmap(to, (len / PAGE_SIZE as u64) as usize, &mut |_, _, _| {})?;
                return mapped;
            }
        }
        Ok(())
    }
}
