//! The areas of one address space by address, and the gaps between them by size.
//!
//! Areas never overlap. Neighbours that could be one are made one. Finding a free range costs a few look-ups
//! however many areas there are (Linux: `mm/mmap.c`, `unmapped_area_topdown`).

use alloc::collections::{BTreeMap, BTreeSet};

use heaps::PAGE_SIZE;

use super::vma::Vma;

/// Gaps of the right size class that are looked at before one of a larger class is taken instead.
const TRIES: usize = 16;

/// The areas of an address space.
pub struct VmaTree {
    areas: BTreeMap<u64, Vma>,
    gaps: Gaps,
}

impl VmaTree {
    /// No areas; free ranges are looked for between `low` and `high`.
    pub fn new(low: u64, high: u64) -> VmaTree {
        let mut gaps = Gaps::new(low, high);
        gaps.add(low, high);
        VmaTree { areas: BTreeMap::new(), gaps }
    }

    /// How many areas there are.
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// All areas, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.areas.values()
    }

    /// The area that contains `addr`.
    pub fn find(&self, addr: u64) -> Option<&Vma> {
        self.areas.range(..=addr).next_back().map(|(_, vma)| vma).filter(|vma| addr < vma.end)
    }

    /// The lowest area with a byte at or above `addr`.
    pub fn first_from(&self, addr: u64) -> Option<&Vma> {
        self.find(addr).or_else(|| self.areas.range(addr..).next().map(|(_, vma)| vma))
    }

    /// The highest area that starts below `addr`.
    pub fn last_below(&self, addr: u64) -> Option<&Vma> {
        self.areas.range(..addr).next_back().map(|(_, vma)| vma)
    }

    /// Whether any byte of `start..end` belongs to an area.
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.last_below(end).is_some_and(|vma| vma.end > start)
    }

    /// Whether areas cover `start..end` without a gap.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some(vma) => at = vma.end,
                None => return false,
            }
        }
        true
    }

    /// Adds an area where there is none, merging it with its neighbours where it can be. Whether a neighbour
    /// is extended or not, the caller has made sure that there is room for one more area.
    pub fn insert(&mut self, mut vma: Vma) {
        debug_assert!(!self.overlaps(vma.start, vma.end));
        let (low, high) = self.free_around(vma.start, vma.end);
        self.gaps.remove(low, high);
        self.gaps.add(low, vma.start);
        self.gaps.add(vma.end, high);
        if high == vma.end && self.areas.get(&high).is_some_and(|next| vma.continues_into(next)) {
            vma.end = self.areas.remove(&high).map_or(high, |next| next.end);
        }
        if low == vma.start
            && let Some((_, before)) = self.areas.range_mut(..low).next_back()
            && before.continues_into(&vma)
        {
            before.end = vma.end;
            return;
        }
        self.areas.insert(vma.start, vma);
    }

    /// Takes out the lowest area with a byte in `start..end`, cut to that range; what sticks out stays.
    pub fn take_first(&mut self, start: u64, end: u64) -> Option<Vma> {
        let first = self.first_from(start)?;
        if first.start >= end {
            return None;
        }
        let key = first.start;
        let mut vma = self.areas.remove(&key)?;
        if vma.start < start {
            let inner = vma.split_off(start);
            self.areas.insert(vma.start, core::mem::replace(&mut vma, inner));
        }
        if vma.end > end {
            let rest = vma.split_off(end);
            self.areas.insert(rest.start, rest);
        }
        let (low, high) = self.free_around(vma.start, vma.end);
        self.gaps.remove(low, vma.start);
        self.gaps.remove(vma.end, high);
        self.gaps.add(low, high);
        Some(vma)
    }

    /// How many areas more there are after `start..end` was taken out of them (0 or 1; fewer counts as 0).
    pub fn growth_by_removal(&self, start: u64, end: u64) -> usize {
        usize::from(self.find(start).is_some_and(|vma| vma.start < start && end < vma.end))
    }

    /// The start of the highest free range of `len` bytes (page-aligned, not 0), if there is one.
    pub fn find_free(&self, len: u64) -> Option<u64> {
        self.gaps.find(len).map(|end| end - len)
    }

    /// The free range that `start..end` touches: from the area before to the area after.
    fn free_around(&self, start: u64, end: u64) -> (u64, u64) {
        let low = self.last_below(start).map_or(0, |vma| vma.end);
        let high = self.areas.range(end..).next().map_or(u64::MAX, |(&at, _)| at);
        (low, high)
    }
}

/// Size classes: one for each power of two of pages below 2^48 bytes.
const CLASSES: usize = 36;

/// The free ranges inside a window, by size class (log2 of the pages), each as end and start.
struct Gaps {
    low: u64,
    high: u64,
    by_class: [BTreeSet<(u64, u64)>; CLASSES],
    /// The classes that have any, one bit each.
    present: u64,
}

impl Gaps {
    fn new(low: u64, high: u64) -> Gaps {
        Gaps { low, high, by_class: [const { BTreeSet::new() }; CLASSES], present: 0 }
    }

    fn clip(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let (start, end) = (start.max(self.low), end.min(self.high));
        (start < end).then_some((start, end))
    }

    fn add(&mut self, start: u64, end: u64) {
        if let Some((start, end)) = self.clip(start, end) {
            let class = class(end - start);
            self.by_class[class].insert((end, start));
            self.present |= 1 << class;
        }
    }

    fn remove(&mut self, start: u64, end: u64) {
        if let Some((start, end)) = self.clip(start, end) {
            let class = class(end - start);
            let was = self.by_class[class].remove(&(end, start));
            debug_assert!(was, "a gap that was not known: {start:#x}..{end:#x}");
            if self.by_class[class].is_empty() {
                self.present &= !(1 << class);
            }
        }
    }

    /// The end of the highest gap of at least `len` bytes. In the class of `len` itself gaps may be too short:
    /// only a few of them are tried before a larger class is asked, so that the cost stays flat.
    fn find(&self, len: u64) -> Option<u64> {
        let own = class(len);
        let near = self.fitting(own, len).take(TRIES).flatten().next();
        let far = self.highest_above(own);
        near.max(far).or_else(|| self.fitting(own, len).flatten().next())
    }

    fn fitting(&self, class: usize, len: u64) -> impl Iterator<Item = Option<u64>> {
        let of_class = self.by_class.get(class).into_iter().flat_map(|gaps| gaps.iter().rev());
        of_class.map(move |&(end, start)| (end - start >= len).then_some(end))
    }

    fn highest_above(&self, class: usize) -> Option<u64> {
        let mut left = self.present & !0 << class << 1;
        let mut best = None;
        while left != 0 {
            let gaps = &self.by_class[left.trailing_zeros() as usize];
            best = best.max(gaps.last().map(|&(end, _)| end));
            left &= left - 1;
        }
        best
    }
}

fn class(len: u64) -> usize {
    (len / PAGE_SIZE as u64).ilog2() as usize
}

#[cfg(test)]
#[path = "vma_tree_tests.rs"]
mod tests;
