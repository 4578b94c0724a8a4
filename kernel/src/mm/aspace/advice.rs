//! Advice that reaches beyond the page table, and what of a range is in memory: `madvise`, `mincore`, `msync`
//! (Linux: `mm/madvise.c`, `mm/mincore.c`, `mm/msync.c`).

use alloc::sync::Arc;

use heaps::{Errno, PAGE_SIZE, Result};

use super::layout::user_range;
use super::mappers::Mapped;
use super::shared::SharedPages;
use super::{Access, AddressSpace, FaultError};
use crate::mm::Prot;
use crate::mm::vma::{Backing, VmFlags};

const PAGE: u64 = PAGE_SIZE as u64;

/// What is behind a part of a range that is to read as zeros.
enum Store {
    File(Arc<Mapped>),
    Shared(Arc<SharedPages>),
}

impl AddressSpace {
    /// Makes what is behind a range read as zeros for everybody (`MADV_REMOVE`). `EINVAL` for private anonymous memory,
    /// `EACCES` for what may not be written through, `ENODEV` for fixed memory, `ENOMEM` for a gap, and what the file
    /// says.
    pub fn remove(&self, addr: u64, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len)?;
        let mut at = addr;
        while at < end {
            let (store, first, stop) = self.store_at(at, end)?;
            let pages = (stop - at) / PAGE;
            match store {
                Store::Shared(shared) => shared.wipe(first, pages),
                // The file visits the address spaces that map it: none is locked.
                Store::File(file) => {
                    let file = file.source.pages().ok_or(Errno::ENODEV)?;
                    file.punch(first * PAGE, stop - at)?;
                }
            }
            at = stop;
        }
        Ok(())
    }

    /// What is behind the page at `at`, which page of it that is, and where the area, or the range, ends.
    fn store_at(&self, at: u64, end: u64) -> Result<(Store, u64, u64)> {
        let layout = self.lock();
        let vma = layout.areas.find(at).ok_or(Errno::ENOMEM)?;
        let within = (at - vma.start) / PAGE;
        let writes = vma.flags.contains(VmFlags::SHARED) && vma.max_prot.contains(Prot::WRITE);
        let (store, first) = match &vma.backing {
            Backing::Anonymous => return Err(Errno::EINVAL),
            _ if !writes || !vma.prot.contains(Prot::WRITE) => return Err(Errno::EACCES),
            Backing::Runs { .. } => return Err(Errno::ENODEV),
            Backing::Shared { pages, first } => (Store::Shared(pages.clone()), *first),
            Backing::File { file, first } => (Store::File(file.clone()), *first),
            Backing::Content { .. } => return Err(Errno::EACCES),
        };
        Ok((store, first + within, vma.end.min(end)))
    }

    /// Touches every page of a range (`MADV_POPULATE_READ`, `MADV_POPULATE_WRITE`). `ENOMEM` for a gap and without
    /// memory, `EINVAL` for what does not allow it and for fixed memory, `EFAULT` for pages a file has not.
    pub fn touch(&self, addr: u64, len: u64, access: Access) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = user_range(addr, len)?;
        for at in (addr..end).step_by(PAGE_SIZE) {
            let fixed = match self.lock().areas.find(at) {
                Some(vma) => matches!(vma.backing, Backing::Runs { .. }),
                None => return Err(Errno::ENOMEM),
            };
            if fixed {
                return Err(Errno::EINVAL);
            }
            self.fault(at, access).map_err(|error| match error {
                FaultError::Unmapped | FaultError::NoMemory => Errno::ENOMEM,
                FaultError::Denied => Errno::EINVAL,
                FaultError::NoPage => Errno::EFAULT,
            })?;
        }
        Ok(())
    }

    /// Whether the page at `at` is in memory: mapped, or there for whoever maps it. `ENOMEM` where nothing is mapped.
    pub fn is_resident(&self, at: u64) -> Result<bool> {
        let layout = self.lock();
        let vma = layout.areas.find(at).ok_or(Errno::ENOMEM)?;
        if layout.table.lookup(at).is_some() {
            return Ok(true);
        }
        let index = (at - vma.start) / PAGE;
        let in_file = |file: &Arc<Mapped>, index| file.source.pages().is_some_and(|pages| pages.has(index));
        Ok(match &vma.backing {
            Backing::Anonymous | Backing::Runs { .. } => false,
            Backing::Shared { pages, first } => pages.has(first + index),
            Backing::File { file, first } => in_file(file, first + index),
            Backing::Content { file, offset, .. } => in_file(file, offset / PAGE + index),
        })
    }

    /// Whether areas cover a range and what they share with files could be written back: of fixed memory nothing can.
    /// `EINVAL`; `ENOMEM` for a gap, whatever else there is.
    pub fn check_synced(&self, addr: u64, len: u64) -> Result<()> {
        let end = if len == 0 { return Ok(()) } else { user_range(addr, len)? };
        let layout = self.lock();
        let mut at = addr;
        while let Some(vma) = layout.areas.first_from(at).filter(|vma| vma.start < end) {
            let shared = vma.flags.contains(VmFlags::SHARED);
            if shared && matches!(vma.backing, Backing::Runs { .. }) {
                return Err(Errno::EINVAL);
            }
            at = vma.end;
        }
        if layout.areas.covers(addr, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}
