//! Making and removing areas: `mmap`, `munmap` (Linux: `mm/mmap.c`).

use alloc::sync::Arc;

use bitflags::bitflags;
use heaps::{Errno, PAGE_SIZE, Result};

use super::layout::{Layout, Released, page_align, user_range};
use super::shared::SharedPages;
use super::{AddressSpace, MMAP_TOP, USER_END, USER_START, runs};
use crate::arch::BLOCK_SIZE;
use crate::mm::vma::{Backing, MapSource, VmFlags, Vma};
use crate::mm::{Prot, commit};

bitflags! {
    /// `mmap`'s flags that mean something here; values as on Linux/arm64.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MapFlags: u32 {
        /// Share stores.
        const SHARED = 0x01;
        /// Keep stores private.
        const PRIVATE = 0x02;
        /// Exactly there, replacing what is there.
        const FIXED = 0x10;
        /// Not a file's.
        const ANONYMOUS = 0x20;
        /// Grows downwards.
        const GROWSDOWN = 0x100;
        /// Do not check whether there is memory for it.
        const NORESERVE = 0x4000;
        /// Allocate the pages at once.
        const POPULATE = 0x8000;
        /// Huge pages of a pool there is none of.
        const HUGETLB = 0x4_0000;
        /// Exactly there, unless something is there.
        const FIXED_NOREPLACE = 0x10_0000;
    }
}

/// What to map, once arguments are checked and a file was asked.
pub struct MapRequest {
    /// Where, or a hint; see `flags`.
    pub addr: u64,
    /// In bytes.
    pub len: u64,
    /// Allowed accesses.
    pub prot: Prot,
    /// What `mprotect` may at most make of it.
    pub max_prot: Prot,
    /// How.
    pub flags: MapFlags,
    /// Where the pages come from; `None` for anonymous memory.
    pub backing: Option<Backing>,
}

impl AddressSpace {
    /// Maps, and returns where. Errors as `mmap(2)`: `EINVAL`, `ENOMEM`, `EEXIST`, `EPERM`.
    pub fn map(&self, request: MapRequest) -> Result<u64> {
        let len = map_len(request.len)?;
        let flags = request.flags;
        if !flags.contains(MapFlags::NORESERVE) && request.backing.is_none() && !request.prot.is_empty() {
            commit::admit_movable(len / PAGE_SIZE as u64)?;
        }
        // Until the lock is free, whatever becomes of the area.
        let _held = request.backing.clone();
        let mut released = Released::default();
        let mut layout = self.lock();
        layout.admit_areas(2)?;
        let mut start = layout.place(request.addr, len, flags)?;
        if request.addr == 0
            && let Some(Backing::Runs { source, first }) = &request.backing
            && let Some(better) = layout.place_for_blocks(len, &**source, *first)
        {
            start = better;
        }
        let shared = if flags.contains(MapFlags::SHARED) { VmFlags::SHARED } else { VmFlags::empty() };
        layout.admit_bytes(len, request.prot, shared, (start, start + len))?;
        if flags.contains(MapFlags::FIXED) && layout.areas.overlaps(start, start + len) {
            layout.clear(start, start + len, &mut released)?;
        }
        let vma = request.into_vma(start, start + len);
        let populate = flags.contains(MapFlags::POPULATE) && !matches!(vma.backing, Backing::Runs { .. });
        let added = layout.add(vma);
        drop(layout);
        drop(released);
        added?;
        if populate {
            self.populate(start, start + len);
        }
        Ok(start)
    }

    /// Removes every page of a range; there may be none. `EINVAL`, and `ENOMEM` where splitting an area would
    /// make too many.
    pub fn unmap(&self, addr: u64, len: u64) -> Result<()> {
        let end = user_range(addr, len)?;
        let mut released = Released::default();
        let mut layout = self.lock();
        let cleared = layout.clear(addr, end, &mut released);
        drop(layout);
        drop(released);
        cleared
    }
}

impl MapRequest {
    fn into_vma(self, start: u64, end: u64) -> Vma {
        let mut flags = VmFlags::empty();
        flags.set(VmFlags::SHARED, self.flags.contains(MapFlags::SHARED));
        flags.set(VmFlags::GROWSDOWN, self.flags.contains(MapFlags::GROWSDOWN));
        let backing = match self.backing {
            Some(backing) => backing,
            None if flags.contains(VmFlags::SHARED) => {
                Backing::Shared { pages: Arc::new(SharedPages::new()), first: 0 }
            }
            None => Backing::Anonymous,
        };
        Vma { start, end, prot: self.prot, max_prot: self.max_prot, flags, backing }
    }
}

impl Layout {
    /// Where `len` bytes go.
    pub fn place(&self, addr: u64, len: u64, flags: MapFlags) -> Result<u64> {
        if len > USER_END - USER_START {
            return Err(Errno::ENOMEM);
        }
        if flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE) {
            return self.place_fixed(addr, len, flags);
        }
        let hint = addr.checked_next_multiple_of(PAGE_SIZE as u64).unwrap_or(0);
        let fits = hint >= USER_START && hint <= USER_END - len;
        if addr != 0 && fits && hint + len <= MMAP_TOP && !self.areas.overlaps(hint, hint + len) {
            return Ok(hint);
        }
        self.areas.find_free(len).ok_or(Errno::ENOMEM)
    }

    /// Where `len` bytes of fixed memory may go so that large blocks can map most of it: as far from a block's start as
    /// the memory itself is. `None` for what is smaller than a block, and where there is no such place.
    fn place_for_blocks(&self, len: u64, source: &dyn MapSource, first: u64) -> Option<u64> {
        let block = BLOCK_SIZE as u64;
        if len < block {
            return None;
        }
        let memory = runs::origin(source, first, len / PAGE_SIZE as u64)?;
        let room = len + block - PAGE_SIZE as u64;
        let last = self.areas.find_free(room)? + (room - len);
        Some(last - (last.wrapping_sub(memory) & (block - 1)))
    }

    fn place_fixed(&self, addr: u64, len: u64, flags: MapFlags) -> Result<u64> {
        if addr > USER_END - len {
            return Err(Errno::ENOMEM);
        }
        if !addr.is_multiple_of(PAGE_SIZE as u64) {
            return Err(Errno::EINVAL);
        }
        if addr < USER_START {
            return Err(Errno::EPERM);
        }
        if flags.contains(MapFlags::FIXED_NOREPLACE) && self.areas.overlaps(addr, addr + len) {
            return Err(Errno::EEXIST);
        }
        Ok(addr)
    }
}

/// `mmap`'s length in whole pages. `EINVAL` for 0, `ENOMEM` for more than there can be.
fn map_len(len: u64) -> Result<u64> {
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    page_align(len).filter(|&len| len <= USER_END).ok_or(Errno::ENOMEM)
}
