//! A user address space's page tables.
//!
//! Callers serialise changes (the address space's MMAP lock). Frames that were mapped are handed back only
//! after no CPU can reach them any more: un-exposing comes before freeing.

use core::convert::Infallible;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{TTBR0_EL1, Writeable};
use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};
use spin::Once;

use super::layout::USER_END;
use super::table::{self, BLOCK_SIZE, Table, as_table, desc, span};
use super::tlb::{self, Asid};
use crate::mm::{MemKind, Prot, frames};

/// Page tables and the number their translations are tagged with.
pub struct PageTable {
    root: Table,
    asid: Asid,
}

/// A descriptor that maps nothing but remembers its address, between clearing and handing back.
const PARKED: u64 = desc::ACCESSED;

fn attributes(prot: Prot, mem: MemKind) -> u64 {
    let MemKind::Normal = mem;
    let mut bits = desc::VALID | desc::NORMAL | desc::USER | desc::SHARED | desc::ACCESSED;
    bits |= desc::NOT_GLOBAL | desc::PXN;
    if !prot.contains(Prot::WRITE) {
        bits |= desc::READ_ONLY;
    }
    if !prot.contains(Prot::EXEC) {
        bits |= desc::UXN;
    }
    if prot.is_empty() {
        // Mapped, and out of reach: EL0 has no access, and EL1 none because of PAN.
        bits &= !desc::USER;
    }
    bits
}

fn protection(entry: u64) -> Prot {
    if entry & desc::USER == 0 {
        return Prot::empty();
    }
    let mut prot = Prot::READ;
    prot.set(Prot::WRITE, entry & desc::READ_ONLY == 0);
    prot.set(Prot::EXEC, entry & desc::UXN == 0);
    prot
}

fn alloc_table() -> Result<PhysAddr> {
    frames::alloc_zeroed().map(|frame| frame.into_raw())
}

/// Page tables as TTBR0 names them. Whoever activates one keeps the tables alive until another is active.
#[derive(Clone, Copy)]
pub struct UserRoot(u64);

impl UserRoot {
    /// Makes this CPU translate user addresses by these tables.
    pub fn activate(self) {
        TTBR0_EL1.set(self.0);
        tlb::publish();
    }
}

impl PageTable {
    /// Tables that map nothing. `ENOMEM`.
    pub fn new() -> Result<PageTable> {
        let asid = Asid::new()?;
        Ok(PageTable { root: Table::at(alloc_table()?), asid })
    }

    /// Maps `pages` pages of physical memory from `pa` at `va`, where nothing is mapped; 2 MiB blocks where
    /// both sides allow. `ENOMEM` leaves the range unmapped.
    pub fn map(&mut self, va: u64, pa: PhysAddr, pages: usize, prot: Prot, mem: MemKind) -> Result<()> {
        let bits = attributes(prot, mem);
        let (mut at, mut from, end) = (va, pa.get(), va + (pages * PAGE_SIZE) as u64);
        if end > USER_END {
            return Err(Errno::EINVAL);
        }
        while at < end {
            let step = match self.map_some(at, from, end, bits) {
                Ok(step) => step,
                Err(e) => {
                    self.clear(va, at, &mut |_, _, _| ());
                    return Err(e);
                }
            };
            at += step;
            from += step;
        }
        tlb::publish();
        Ok(())
    }

    /// Maps one block, or what is left of one level-3 table; returns the bytes mapped.
    fn map_some(&mut self, va: u64, pa: u64, end: u64, bits: u64) -> Result<u64> {
        let l1 = self.root.next(va, 0, &mut alloc_table)?.ok_or(Errno::EEXIST)?;
        let l2 = l1.next(va, 1, &mut alloc_table)?.ok_or(Errno::EEXIST)?;
        let block = BLOCK_SIZE as u64;
        if (va | pa).is_multiple_of(block) && end - va >= block {
            let entry = l2.entry(va, 2);
            match entry.load(Ordering::Relaxed) {
                0 => {
                    entry.store(pa | bits, Ordering::Relaxed);
                    return Ok(block);
                }
                // A table that earlier mappings left behind: fill it instead.
                e if as_table(e).is_some() => (),
                _ => return Err(Errno::EEXIST),
            }
        }
        let l3 = l2.next(va, 2, &mut alloc_table)?.ok_or(Errno::EEXIST)?;
        let first = table::index(va, 3);
        let count = ((end - va) as usize / PAGE_SIZE).min(512 - first);
        let mut value = pa | bits | desc::TABLE;
        for entry in &l3.entries()[first..first + count] {
            entry.store(value, Ordering::Relaxed);
            value += PAGE_SIZE as u64;
        }
        Ok((count * PAGE_SIZE) as u64)
    }

    /// Unmaps `pages` pages from `va`, flushes, and only then calls `gone(va, frame, pages)` for each run that was
    /// mapped. `ENOMEM`, with nothing changed, when a block at an edge cannot be split.
    pub fn unmap(&mut self, va: u64, pages: usize, gone: &mut dyn FnMut(u64, PhysAddr, usize)) -> Result<()> {
        let end = va + (pages * PAGE_SIZE) as u64;
        self.split(va)?;
        self.split(end)?;
        self.clear(va, end, gone);
        Ok(())
    }

    /// Unmaps `pages` pages from `va` and flushes; what was mapped is not the address space's to give back, so nobody
    /// asks what it was. Tables that map nothing any more go. `ENOMEM` as for `unmap`.
    pub fn forget(&mut self, va: u64, pages: usize) -> Result<()> {
        let end = va + (pages * PAGE_SIZE) as u64;
        self.split(va)?;
        self.split(end)?;
        self.each_block(va, end, |entry, table, part| match table {
            Some(table) if part.len() < 512 => {
                table.entries()[part].iter().for_each(|page| page.store(0, Ordering::Relaxed));
            }
            // Not valid, but still there: the table goes once nobody can be walking it.
            Some(table) => entry.store(table.addr().get() | PARKED, Ordering::Relaxed),
            None => entry.store(0, Ordering::Relaxed),
        });
        tlb::flush_user(self.asid.get(), va, pages);
        if pages >= 512 {
            self.each_block(va, end, |entry, _, _| {
                let parked = entry.load(Ordering::Relaxed);
                if parked & (desc::VALID | PARKED) == PARKED {
                    entry.store(0, Ordering::Relaxed);
                    frames::unshare(PhysAddr::new(parked & desc::ADDR));
                }
            });
        }
        Ok(())
    }

    /// Calls `f` for the descriptor of each 2 MiB with a byte in `va..end` that is not 0: with the table it points to,
    /// if it does, and which of that table's descriptors the range covers.
    fn each_block(&self, va: u64, end: u64, mut f: impl FnMut(&AtomicU64, Option<Table>, Range<usize>)) {
        let mut at = va;
        while at < end {
            let next = end.min((at | (BLOCK_SIZE as u64 - 1)) + 1);
            let l2 =
                (0..2).try_fold(self.root, |t, level| as_table(t.entry(at, level).load(Ordering::Relaxed)));
            if let Some(entry) = l2.map(|t| t.entry(at, 2)) {
                let e = entry.load(Ordering::Relaxed);
                if e != 0 {
                    let first = table::index(at, 3);
                    f(entry, as_table(e), first..first + (next - at) as usize / PAGE_SIZE);
                }
            }
            at = next;
        }
    }

    fn clear(&mut self, va: u64, end: u64, gone: &mut dyn FnMut(u64, PhysAddr, usize)) {
        let mut mapped = 0;
        self.visit(va, end, &mut |_, entry, level| {
            let e = entry.load(Ordering::Relaxed);
            entry.store(e & desc::ADDR | PARKED, Ordering::Relaxed);
            mapped += span(level) as usize / PAGE_SIZE;
        });
        if mapped == 0 {
            return;
        }
        tlb::flush_user(self.asid.get(), va, ((end - va) as usize / PAGE_SIZE).max(1));
        let mut run = (0, PhysAddr::new(0), 0);
        self.visit_parked(va, end, &mut |at, entry, level| {
            let pa = PhysAddr::new(entry.swap(0, Ordering::Relaxed) & desc::ADDR);
            let pages = span(level) as usize / PAGE_SIZE;
            if run.2 > 0 && run.1.add_pages(run.2 as u64) == pa && run.0 + (run.2 * PAGE_SIZE) as u64 == at {
                run.2 += pages;
            } else {
                if run.2 > 0 {
                    gone(run.0, run.1, run.2);
                }
                run = (at, pa, pages);
            }
        });
        if run.2 > 0 {
            gone(run.0, run.1, run.2);
        }
    }

    /// Changes what is mapped from `va` on, `pages` pages, to `prot`. `ENOMEM` as for `unmap`.
    pub fn protect(&mut self, va: u64, pages: usize, prot: Prot) -> Result<()> {
        let end = va + (pages * PAGE_SIZE) as u64;
        self.split(va)?;
        self.split(end)?;
        let bits = attributes(prot, MemKind::Normal);
        self.visit(va, end, &mut |_, entry, _| {
            let e = entry.load(Ordering::Relaxed);
            entry.store(e & (desc::ADDR | desc::TABLE) | bits, Ordering::Relaxed);
        });
        tlb::flush_user(self.asid.get(), va, pages);
        Ok(())
    }

    /// Exchanges the frames of pages that are mapped one by one, given by address with the frame that each is to be in.
    /// `meanwhile` is called when no CPU reaches the old frames any more, nor the new ones yet. One flush serves all.
    pub fn exchange(&mut self, pages: &[(u64, PhysAddr)], meanwhile: &mut dyn FnMut()) {
        for &(va, _) in pages {
            if let Some(entry) = self.page_entry(va) {
                entry.fetch_and(!desc::VALID, Ordering::Relaxed);
            }
        }
        tlb::flush_pages(self.asid.get(), pages.iter().map(|&(va, _)| va));
        meanwhile();
        for &(va, frame) in pages {
            if let Some(entry) = self.page_entry(va) {
                let bits = entry.load(Ordering::Relaxed) & !desc::ADDR;
                entry.store(bits | frame.get() | desc::VALID, Ordering::Relaxed);
            }
        }
        tlb::publish();
    }

    /// The descriptor of the page at `va`, if there is a table of pages there and it is not empty.
    fn page_entry(&self, va: u64) -> Option<&'static AtomicU64> {
        let l3 =
            (0..3).try_fold(self.root, |t, level| as_table(t.entry(va, level).load(Ordering::Relaxed)))?;
        Some(l3.entry(va, 3)).filter(|entry| entry.load(Ordering::Relaxed) != 0)
    }

    /// What `va` is mapped to, and how.
    pub fn lookup(&self, va: u64) -> Option<(PhysAddr, Prot)> {
        let mut found = None;
        self.visit(va, va + 1, &mut |_, entry, level| {
            let e = entry.load(Ordering::Relaxed);
            let pa = e & desc::ADDR & !(span(level) - 1) | va & (span(level) - 1);
            found = Some((PhysAddr::new(pa & !0xfff), protection(e)));
        });
        found
    }

    /// Calls `each(va, frame, pages)` for what is mapped in the range, until the first error.
    pub fn for_each(
        &self,
        va: u64,
        pages: usize,
        each: &mut dyn FnMut(u64, PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        let end = va + (pages * PAGE_SIZE) as u64;
        walk(self.root, 0, va, end, desc::VALID, &mut |at, entry, level| {
            let (from, to) = (at.max(va), (at + span(level)).min(end));
            let pa = (entry.load(Ordering::Relaxed) & desc::ADDR & !(span(level) - 1)) + (from - at);
            each(from, PhysAddr::new(pa), (to - from) as usize / PAGE_SIZE)
        })
    }

    /// What the scheduler needs to switch to these tables.
    pub fn root(&self) -> UserRoot {
        UserRoot(self.root.addr().get() | u64::from(self.asid.get()) << 48)
    }

    /// Replaces a block that `va` lies inside of by a table of pages.
    fn split(&mut self, va: u64) -> Result<()> {
        if va.is_multiple_of(BLOCK_SIZE as u64) || va >= USER_END {
            return Ok(());
        }
        let l2 = (0..2).try_fold(self.root, |t, level| as_table(t.entry(va, level).load(Ordering::Relaxed)));
        let Some(entry) = l2.map(|t| t.entry(va, 2)) else { return Ok(()) };
        let block = entry.load(Ordering::Relaxed);
        if block & 3 != desc::VALID {
            return Ok(());
        }
        let table = Table::at(alloc_table()?);
        let mut value = block | desc::TABLE;
        for page in table.entries() {
            page.store(value, Ordering::Relaxed);
            value += PAGE_SIZE as u64;
        }
        // Break before make (Arm ARM D8.14.1); a CPU that faults meanwhile waits for the MMAP lock and retries.
        let base = va & !(BLOCK_SIZE as u64 - 1);
        entry.store(0, Ordering::Relaxed);
        tlb::flush_user(self.asid.get(), base, 1);
        entry.store(table.addr().get() | desc::TABLE | desc::VALID, Ordering::Release);
        tlb::publish();
        Ok(())
    }

    /// Calls `f(va, descriptor, level)` for every valid leaf in `va..end`.
    fn visit<F: FnMut(u64, &AtomicU64, u32)>(&self, va: u64, end: u64, f: &mut F) {
        let Ok(()) = walk(self.root, 0, va, end, desc::VALID, &mut |at, entry, level| {
            f(at, entry, level);
            Ok::<(), Infallible>(())
        });
    }

    fn visit_parked<F: FnMut(u64, &AtomicU64, u32)>(&self, va: u64, end: u64, f: &mut F) {
        let Ok(()) = walk(self.root, 0, va, end, PARKED, &mut |at, entry, level| {
            f(at, entry, level);
            Ok::<(), Infallible>(())
        });
    }
}

/// Calls `f` for the leaves under `table` that are valid, or parked, as `wanted` says, until the first error.
fn walk<E, F>(table: Table, level: u32, va: u64, end: u64, wanted: u64, f: &mut F) -> Result<(), E>
where
    F: FnMut(u64, &AtomicU64, u32) -> Result<(), E>,
{
    let is_wanted = |e: u64| e != 0 && (e & desc::VALID != 0) == (wanted == desc::VALID);
    let mut base = va & !(span(level) - 1);
    for entry in &table.entries()[table::index(va, level)..] {
        if base >= end {
            break;
        }
        let e = entry.load(Ordering::Relaxed);
        match as_table(e) {
            Some(next) if level < 3 => {
                walk(next, level + 1, va.max(base), end.min(base + span(level)), wanted, f)?
            }
            _ if is_wanted(e) => f(base, entry, level)?,
            _ => (),
        }
        base += span(level);
    }
    Ok(())
}

impl Drop for PageTable {
    /// Every mapping is gone by now, or names frames that others own; only the tables themselves are freed.
    fn drop(&mut self) {
        fn free(table: Table, level: u32) {
            if level < 3 {
                for entry in table.entries() {
                    if let Some(next) = as_table(entry.load(Ordering::Relaxed)) {
                        free(next, level + 1);
                    }
                }
            }
            frames::unshare(table.addr());
        }
        tlb::flush_asid(self.asid.get());
        free(self.root, 0);
    }
}

static NO_USER: Once<PhysAddr> = Once::new();

/// Makes the tables that map nothing. At boot.
pub fn init_no_user(zeroed_frame: PhysAddr) {
    NO_USER.call_once(|| zeroed_frame);
}

/// Leaves the boot tables' user half, which maps the image where it was loaded, writable and executable, and for
/// good: its translations belong to no address space. Once on every CPU.
pub fn leave_boot_tables() {
    deactivate();
    tlb::flush_all();
}

/// Makes this CPU translate no user address at all, as a task without an address space does.
pub fn deactivate() {
    if let Some(root) = NO_USER.get() {
        TTBR0_EL1.set(root.get());
        tlb::publish();
    }
}
