//! What an address space's lock protects, and the steps that every change of it is made of.

use alloc::vec::Vec;

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::{MAX_AREAS, MMAP_TOP, MemoryLimits, USER_END, USER_START, runs};
use crate::arch::{self, PageTable};
use crate::mm::admit::admit;
use crate::mm::vma::{Backing, Vma};
use crate::mm::vma_tree::VmaTree;
use crate::mm::{MemKind, Prot, frames};

/// Areas, page table, and the heap that `brk` moves.
pub struct Layout {
    /// The areas.
    pub areas: VmaTree,
    /// The page table. A page is in it only if an area covers it.
    pub table: PageTable,
    /// Where the heap starts.
    pub brk_start: u64,
    /// Where the heap ends, as asked for: not page-aligned.
    pub brk: u64,
    /// How much may be mapped.
    pub limits: MemoryLimits,
}

/// Files that areas held, to be released once the lock is.
#[derive(Default)]
pub struct Released {
    first: Option<Backing>,
    rest: Vec<Backing>,
}

impl Released {
    /// Makes room for what the areas of `start..end` hold: [`keep`](Self::keep) has nobody to refuse. `ENOMEM`.
    fn reserve(&mut self, areas: &VmaTree, start: u64, end: u64) -> Result<()> {
        let next = |at: u64| areas.first_from(at).filter(|vma| vma.start < end);
        let holders = core::iter::successors(next(start), |vma| next(vma.end));
        match holders.filter(|vma| vma.backing.holds_file()).count() {
            0 => Ok(()),
            1 if self.first.is_none() => Ok(()),
            // One more for the area that mremap takes out last.
            n => self.rest.try_reserve(n + 1).map_err(|_| Errno::ENOMEM),
        }
    }

    /// Keeps what an area held until this is dropped.
    pub fn keep(&mut self, vma: Vma) {
        if !vma.backing.holds_file() {
            return;
        }
        match &self.first {
            None => self.first = Some(vma.backing),
            Some(_) => self.rest.push(vma.backing),
        }
    }
}

impl Layout {
    /// Nothing mapped.
    pub fn new(table: PageTable) -> Layout {
        Layout {
            areas: VmaTree::new(USER_START, MMAP_TOP),
            table,
            brk_start: 0,
            brk: 0,
            limits: MemoryLimits::default(),
        }
    }

    /// `ENOMEM` unless `more` areas may be added. To remove some is always possible.
    pub fn admit_areas(&self, more: usize) -> Result<()> {
        match more {
            0 => Ok(()),
            _ if self.areas.len() + more > MAX_AREAS => Err(Errno::ENOMEM),
            _ => admit(),
        }
    }

    /// Makes sure that no block of the page table reaches across `at`, so that what follows cannot fail. `ENOMEM`.
    pub fn split_blocks(&mut self, at: u64) -> Result<()> {
        self.table.unmap(at, 0, &mut |_, _, _| {})
    }

    /// Takes out the lowest area with a byte in `start..end`, cut to that range, and unmaps its pages.
    pub fn take_first(&mut self, start: u64, end: u64) -> Option<Vma> {
        let vma = self.areas.take_first(start, end)?;
        self.unmap_pages(&vma);
        Some(vma)
    }

    /// Removes everything in `start..end`. What it held goes to `released`. `ENOMEM` changes nothing.
    pub fn clear(&mut self, start: u64, end: u64, released: &mut Released) -> Result<()> {
        self.admit_areas(self.areas.growth_by_removal(start, end))?;
        released.reserve(&self.areas, start, end)?;
        self.split_blocks(start)?;
        self.split_blocks(end)?;
        while let Some(vma) = self.take_first(start, end) {
            released.keep(vma);
        }
        Ok(())
    }

    /// Unmaps an area's pages and gives them back where they are counted. No block reaches across its ends.
    pub fn unmap_pages(&mut self, vma: &Vma) {
        let done = if vma.backing.counts_pages() {
            self.table.unmap(vma.start, vma.pages(), &mut |_, pa, pages| {
                (0..pages as u64).for_each(|i| frames::unshare(pa.add_pages(i)));
            })
        } else {
            self.table.forget(vma.start, vma.pages())
        };
        debug_assert!(done.is_ok(), "a block across an area's end");
    }

    /// Adds an area where there is none; fixed memory is mapped in the same pass. On error nothing changed.
    pub fn add(&mut self, vma: Vma) -> Result<()> {
        if let Backing::Runs { source, first } = &vma.backing {
            let mut at = vma.start;
            let table = &mut self.table;
            let mut put = |pa: PhysAddr, pages: usize| {
                publish_code(vma.prot, pa, pages);
                table.map(at, pa, pages, vma.prot, MemKind::Normal)?;
                at += (pages * PAGE_SIZE) as u64;
                Ok(())
            };
            let mapped = runs::whole(&**source, *first, vma.pages() as u64, &mut put);
            debug_assert!(
                mapped.is_err() || at == vma.end || source.is_revoked(),
                "a source with fewer pages than were mapped"
            );
            if mapped.is_err() {
                self.unmap_pages(&vma);
                return mapped;
            }
        }
        self.areas.insert(vma);
        Ok(())
    }
}

/// Called before frames are mapped with `prot`: if that lets them be executed, what was written there is what will be
/// fetched.
pub fn publish_code(prot: Prot, start: PhysAddr, pages: usize) {
    if prot.contains(Prot::EXEC) {
        arch::publish_frames((0..pages as u64).map(|i| start.add_pages(i)));
    }
}

/// Checks that `addr..addr+len` is a page-aligned range of user space and returns its end. `len` is rounded up to
/// pages. `EINVAL` otherwise, and for an empty one.
pub fn user_range(addr: u64, len: u64) -> Result<u64> {
    let len = page_align(len).ok_or(Errno::EINVAL)?;
    if !addr.is_multiple_of(PAGE_SIZE as u64) || len == 0 || addr > USER_END || len > USER_END - addr {
        return Err(Errno::EINVAL);
    }
    Ok(addr + len)
}

/// `len` rounded up to whole pages, unless that overflows.
pub fn page_align(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(PAGE_SIZE as u64)
}
