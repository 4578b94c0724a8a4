//! Moving private pages to other frames while programs run (Linux: `mm/migrate.c`).
//!
//! A page is taken out of the page table, so that no CPU can reach it, copied, and entered again; who touches it
//! meanwhile faults, and waits for the address space's lock. Address spaces are visited one after the other: a frame
//! that several share copy-on-write is copied once, and until all have been visited one more holder keeps the old and
//! the new frame from looking unshared to any of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::layout::Layout;
use crate::mm::admit::admit;
use crate::mm::{MemKind, commit, frames, spaces};

const PAGE: u64 = PAGE_SIZE as u64;
/// How many pages of one address space are looked for at a time.
const BATCH: usize = 512;

/// Moves every private page that is in `frames` to a frame elsewhere. `EBUSY` where one is pinned, and `ENOMEM` where
/// there is no frame to be had: it stays then, and so, for `ENOMEM`, do those not yet looked at. May sleep; no lock of
/// rank MMAP or above is held.
///
/// Nobody may be given one of the frames meanwhile. Who was given one before maps it under its address space's lock, and
/// so is seen here; and so is a child that is being forked, for it is found after its parent.
pub fn evict(frames: &Range<PhysAddr>) -> Result<()> {
    let mut moves = Moves::default();
    let mut outcome = Ok(());
    let stopped = spaces::find(|layout| match layout.move_away(frames, &mut moves) {
        Err(Errno::ENOMEM) => Some(Errno::ENOMEM),
        moved => {
            outcome = outcome.and(moved);
            None
        }
    });
    stopped.map_or(outcome, Err)
}

/// Frames that several address spaces share, where each was and where it is. A share of both is held.
#[derive(Default)]
struct Moves(BTreeMap<PhysAddr, PhysAddr>);

impl Drop for Moves {
    fn drop(&mut self) {
        for (&old, &new) in &self.0 {
            frames::unshare(old);
            frames::unshare(new);
        }
    }
}

impl Layout {
    fn move_away(&mut self, range: &Range<PhysAddr>, moves: &mut Moves) -> Result<()> {
        let mut outcome = Ok(());
        let mut found = Vec::new();
        found.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        let mut from = 0;
        loop {
            found.clear();
            self.find_private(range, from, &mut found);
            for &(page, frame) in &found {
                match self.move_page(page, frame, moves) {
                    Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
                    moved => outcome = outcome.and(moved),
                }
            }
            match found.last() {
                Some(&(last, _)) if found.len() == BATCH => from = last + PAGE,
                _ => return outcome,
            }
        }
    }

    /// The first pages from `from` on that are private and in `range`: as many as there is room for.
    fn find_private(&self, range: &Range<PhysAddr>, from: u64, found: &mut Vec<(u64, PhysAddr)>) {
        let private = self.areas.iter().filter(|vma| vma.backing.copies_on_write() && vma.end > from);
        for vma in private {
            let start = vma.start.max(from);
            // An error only ends the search of this area.
            let _ =
                self.table.for_each(start, ((vma.end - start) / PAGE) as usize, &mut |at, frame, pages| {
                    for i in (0..pages as u64).filter(|&i| range.contains(&frame.add_pages(i))) {
                        if found.len() == found.capacity() {
                            return Err(Errno::E2BIG);
                        }
                        found.push((at + i * PAGE, frame.add_pages(i)));
                    }
                    Ok(())
                });
            if found.len() == found.capacity() {
                return;
            }
        }
    }

    /// Where a private page is in one of `frames`, if any is.
    pub(in crate::mm) fn find_private_mapping(&self, frames: &Range<PhysAddr>) -> Option<u64> {
        let mut found = None;
        for vma in self.areas.iter().filter(|vma| vma.backing.copies_on_write()) {
            let _ = self.table.for_each(vma.start, vma.pages(), &mut |at, frame, pages| {
                let end = frame.add_pages(pages as u64);
                found = (frame < frames.end && frames.start < end).then_some(at);
                if found.is_some() { Err(Errno::E2BIG) } else { Ok(()) }
            });
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Moves one page, which is in `old`. `EBUSY` when that is pinned, `ENOMEM`.
    fn move_page(&mut self, page: u64, old: PhysAddr, moves: &mut Moves) -> Result<()> {
        if frames::is_pinned(old) {
            return Err(Errno::EBUSY);
        }
        let (_, prot) = self.table.lookup(page).ok_or(Errno::EFAULT)?;
        let known = moves.0.get(&old).copied();
        let is_shared = frames::shares(old) != 0;
        let new = match known {
            Some(new) => new,
            None => {
                admit()?;
                commit::page()?.into_raw()
            }
        };
        self.table.unmap(page, 1, &mut |_, _, _| ())?;
        if known.is_none() {
            frames::copy(new, old);
        }
        // Cannot want memory: the tables that led to the page are there.
        self.table.map(page, new, 1, prot, MemKind::Normal)?;
        if known.is_none() && is_shared {
            // What the page had of the old frame is kept, and what it has of the new one is a share more.
            moves.0.insert(old, new);
            frames::share(new);
        } else {
            if known.is_some() {
                frames::share(new);
            }
            frames::unshare(old);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
