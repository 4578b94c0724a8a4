//! Moving private pages to other frames while programs run (Linux: `mm/migrate.c`).
//!
//! Pages are taken out of the page table, so that no CPU can reach them, copied, and entered again; who touches one
//! meanwhile faults, and waits for the address space's lock. One flush serves many pages: every CPU has to answer each.
//! Address spaces are visited one after the other: a frame that several share copy-on-write is copied once, and until
//! all have been visited one more holder keeps the old and the new frame from looking unshared to any of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::layout::Layout;
use crate::arch;
use crate::mm::admit::admit;
use crate::mm::{Prot, commit, frames, spaces};

const PAGE: u64 = PAGE_SIZE as u64;
/// How many pages of one address space are moved at a time.
const BATCH: usize = 512;

/// Moves every private page that is in `frames` to a frame elsewhere. `EBUSY` where one is pinned, and `ENOMEM` where
/// there is no frame to be had: it stays then, and so, for `ENOMEM`, do those not yet looked at. May sleep; no lock of
/// rank MMAP or above is held.
///
/// Nobody may be given one of the frames meanwhile. Who was given one before maps it under its address space's lock, and
/// so is seen here; and so is a child that is being forked, for it is found after its parent.
pub fn evict(frames: &Range<PhysAddr>) -> Result<()> {
    let mut moves = Moves::default();
    let mut batch = Batch::new()?;
    let mut outcome = Ok(());
    let stopped = spaces::find(|layout| match layout.move_away(frames, &mut batch, &mut moves) {
        Err(Errno::ENOMEM) => Some(Errno::ENOMEM),
        moved => {
            outcome = outcome.and(moved);
            None
        }
    });
    stopped.map_or(outcome, |(_, error)| Err(error))
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

impl Moves {
    /// Where a page that is in `old` is to go. `EBUSY` when that is pinned, `ENOMEM`.
    fn target(&mut self, old: PhysAddr) -> Result<Target> {
        if frames::is_pinned(old) {
            return Err(Errno::EBUSY);
        }
        if let Some(&new) = self.0.get(&old) {
            return Ok(Target { new, how: How::Known });
        }
        if frames::shares(old) == 0 {
            // Nobody else can share it before it is moved: that takes the address space's lock.
            return Ok(Target { new: commit::page_to_move_to()?.into_raw(), how: How::Alone });
        }
        admit()?;
        // Not on loan: it is mapped into other address spaces later, where who asks for it back may have looked before.
        let new = commit::page()?.into_raw();
        self.0.insert(old, new);
        Ok(Target { new, how: How::Shared })
    }
}

/// Where a page is to go.
#[derive(Clone, Copy)]
struct Target {
    new: PhysAddr,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Nobody else has the old frame.
    Alone,
    /// Others have it, who go to the new one later.
    Shared,
    /// Another one's page went there before.
    Known,
}

/// Pages of one address space that are moved together. Emptied between uses.
struct Batch {
    /// By address, with the frame each is in.
    found: Vec<(u64, PhysAddr)>,
    /// By address, with the frame each is to be in.
    exchanged: Vec<(u64, PhysAddr)>,
    /// Each one's old frame, and the new one.
    targets: Vec<(PhysAddr, Target)>,
}

impl Batch {
    /// Room for [`BATCH`] pages. `ENOMEM`.
    fn new() -> Result<Batch> {
        let mut batch = Batch { found: Vec::new(), exchanged: Vec::new(), targets: Vec::new() };
        batch.found.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        batch.exchanged.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        batch.targets.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        Ok(batch)
    }

    /// Finds a target for each page found, until there is no memory. `EBUSY` and `ENOMEM` as for [`evict`].
    fn find_targets(&mut self, moves: &mut Moves) -> Result<()> {
        self.exchanged.clear();
        self.targets.clear();
        let mut outcome = Ok(());
        for &(page, old) in &self.found {
            match moves.target(old) {
                Ok(target) => {
                    self.exchanged.push((page, target.new));
                    self.targets.push((old, target));
                }
                Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
                stays => outcome = outcome.and(stays.map(|_| ())),
            }
        }
        outcome
    }
}

impl Layout {
    fn move_away(&mut self, range: &Range<PhysAddr>, batch: &mut Batch, moves: &mut Moves) -> Result<()> {
        let mut outcome = Ok(());
        let mut from = 0;
        loop {
            batch.found.clear();
            self.find_private(range, from, &mut batch.found);
            let targets = batch.find_targets(moves);
            self.exchange(batch);
            if targets == Err(Errno::ENOMEM) {
                return targets;
            }
            outcome = outcome.and(targets);
            match batch.found.last() {
                Some(&(last, _)) if batch.found.len() == BATCH => from = last + PAGE,
                _ => return outcome,
            }
        }
    }

    /// The first pages from `from` on that are private and in `range`: as many as there is room for.
    fn find_private(&self, range: &Range<PhysAddr>, from: u64, found: &mut Vec<(u64, PhysAddr)>) {
        let private = self.areas.iter().filter(|vma| vma.backing.copies_on_write() && vma.end > from);
        for vma in private {
            let start = vma.start.max(from);
            let searched =
                self.table.for_each(start, ((vma.end - start) / PAGE) as usize, &mut |at, frame, pages| {
                    for i in (0..pages as u64).filter(|&i| range.contains(&frame.add_pages(i))) {
                        if found.len() == BATCH {
                            return Err(Errno::E2BIG);
                        }
                        found.push((at + i * PAGE, frame.add_pages(i)));
                    }
                    Ok(())
                });
            if searched.is_err() {
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

    /// Moves the pages of a batch that have a target. Cannot fail: the tables that lead to them are there.
    fn exchange(&mut self, batch: &Batch) {
        if batch.exchanged.is_empty() {
            return;
        }
        // What is not executable may be made so any time later: then it is published.
        let runs = |page: u64| self.areas.find(page).is_some_and(|vma| vma.prot.contains(Prot::EXEC));
        let any_runs = batch.exchanged.iter().any(|&(page, _)| runs(page));
        self.table.exchange(&batch.exchanged, &mut || {
            let copied = batch.targets.iter().filter(|(_, target)| target.how != How::Known);
            copied.for_each(|&(old, target)| frames::copy(target.new, old));
            if any_runs {
                arch::publish_frames(batch.targets.iter().map(|(_, target)| target.new));
            }
        });
        for &(old, Target { new, how }) in &batch.targets {
            match how {
                How::Alone => frames::unshare(old),
                // What the page had of the old frame is kept, and what it has of the new one is a share more.
                How::Shared => frames::share(new),
                How::Known => {
                    frames::share(new);
                    frames::unshare(old);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
