//! Which pages of a region are lent to whoever can do without them: a bit for each.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Errno, Result};

const WORD: usize = u64::BITS as usize;

/// The pages of a region, numbered from 0: each may be lent, taken for a buffer, both while it is being asked back, or
/// neither.
#[derive(Debug)]
pub(crate) struct Loans {
    lent: Vec<u64>,
    /// Pages that buffers have. Those past the region's end are marked so, too.
    taken: Vec<u64>,
    /// How many are lent.
    count: usize,
    /// How many are neither lent nor taken.
    free: usize,
    /// No page in a word above this one can be lent.
    cursor: usize,
}

impl Loans {
    /// All of `pages` pages may be lent, and none is. `ENOMEM`.
    pub(crate) fn new(pages: usize) -> Result<Loans> {
        let words = pages.div_ceil(WORD);
        let zeroes = || {
            let mut bits = Vec::new();
            bits.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
            bits.resize(words, 0);
            Ok(bits)
        };
        let free = words * WORD;
        let mut loans = Loans { lent: zeroes()?, taken: zeroes()?, count: 0, free, cursor: words };
        loans.set_taken(pages..words * WORD, true);
        Ok(loans)
    }

    /// How many are lent.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many could be lent now.
    pub(crate) fn lendable(&self) -> usize {
        self.free
    }

    /// How many of `range` are lent.
    pub(crate) fn count_in(&self, range: Range<usize>) -> usize {
        if self.count == 0 {
            return 0;
        }
        parts(range).map(|(word, mask)| (self.lent[word] & mask).count_ones() as usize).sum()
    }

    /// Lends the highest page that can be, as far as possible from where buffers are put.
    pub(crate) fn lend(&mut self) -> Option<usize> {
        while self.cursor > 0 {
            let word = self.cursor - 1;
            let free = self.free_in(word);
            if free != 0 {
                let bit = free.ilog2();
                self.lent[word] |= 1 << bit;
                self.count += 1;
                self.free -= 1;
                return Some(word * WORD + bit as usize);
            }
            self.cursor = word;
        }
        None
    }

    /// The pages of a word that are neither lent nor taken.
    fn free_in(&self, word: usize) -> u64 {
        !(self.lent[word] | self.taken[word])
    }

    /// A page comes back; whether it had been lent.
    pub(crate) fn give_back(&mut self, page: usize) -> bool {
        let (word, bit) = (page / WORD, 1 << (page % WORD));
        let was_lent = self.lent[word] & bit != 0;
        self.lent[word] &= !bit;
        self.count -= usize::from(was_lent);
        self.free += usize::from(was_lent && self.taken[word] & bit == 0);
        self.cursor = self.cursor.max(word + 1);
        was_lent
    }

    /// A buffer has these pages, none of which one had, or has them no longer.
    pub(crate) fn set_taken(&mut self, range: Range<usize>, taken: bool) {
        let free = range.len() - self.count_in(range.clone());
        if taken {
            self.free -= free;
        } else {
            self.free += free;
            self.cursor = self.cursor.max(range.end.div_ceil(WORD));
        }
        // Whole words at once: a large buffer has many.
        let whole = range.start.div_ceil(WORD)..range.end / WORD;
        let edges = match whole.is_empty() {
            true => [range, 0..0],
            false => [range.start..whole.start * WORD, whole.end * WORD..range.end],
        };
        for (word, mask) in edges.into_iter().flat_map(parts) {
            if taken {
                self.taken[word] |= mask;
            } else {
                self.taken[word] &= !mask;
            }
        }
        if !whole.is_empty() {
            self.taken[whole].fill(if taken { u64::MAX } else { 0 });
        }
    }
}

/// The words that a range of bits lies in, and which of theirs.
fn parts(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let words = if range.is_empty() { 0..0 } else { range.start / WORD..(range.end - 1) / WORD + 1 };
    words.map(move |word| {
        let (from, to) = (range.start.max(word * WORD), range.end.min((word + 1) * WORD));
        (word, (u64::MAX >> (WORD - (to - from))) << (from - word * WORD))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn pages_are_lent_from_the_end_and_not_while_taken() {
        let mut loans = Loans::new(130).unwrap();
        loans.set_taken(100..129, true);
        assert_eq!((loans.lend(), loans.lend(), loans.lend()), (Some(129), Some(99), Some(98)));
        assert_eq!((loans.count(), loans.count_in(99..130), loans.count_in(0..98)), (3, 2, 0));
        assert_eq!(loans.lendable(), 98);
        loans.set_taken(100..129, false);
        assert_eq!(loans.lendable(), 98 + 29);
        assert_eq!(loans.lend(), Some(128));
        assert!(loans.give_back(129) && !loans.give_back(129));
        assert_eq!(loans.lend(), Some(129));
    }

    #[test]
    fn every_page_is_lent_once_and_may_be_asked_back() {
        for pages in [1, 63, 64, 65, 200] {
            let mut loans = Loans::new(pages).unwrap();
            let lent: BTreeSet<usize> = core::iter::from_fn(|| loans.lend()).collect();
            assert_eq!(lent, (0..pages).collect());
            // Taken while lent, as when a buffer asks for it: it comes back and is not lent again.
            loans.set_taken(0..pages, true);
            assert!((0..pages).all(|page| loans.give_back(page)));
            assert_eq!((loans.lend(), loans.count(), loans.lendable()), (None, 0, 0));
            loans.set_taken(0..pages, false);
            assert_eq!(loans.lendable(), pages);
            assert_eq!(core::iter::from_fn(|| loans.lend()).count(), pages);
        }
    }
}
