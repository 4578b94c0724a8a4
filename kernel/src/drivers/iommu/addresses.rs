//! Addresses on a device's bus, in pages: which are given out (Linux: `drivers/iommu/iova.c`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, Result};

/// What a device can address, less what was given out. Between any two runs there is a page that nobody gets, so that a
/// transfer past an end meets nothing.
#[derive(Debug)]
pub struct Addresses {
    all: Range<u64>,
    /// Runs that are given out, or were never there, in order.
    taken: Vec<Range<u64>>,
}

impl Addresses {
    /// All pages of `all` that are in none of `holes`. `ENOMEM`.
    pub fn new(all: Range<u64>, holes: &[Range<u64>]) -> Result<Addresses> {
        let mut taken = Vec::new();
        taken.try_reserve(holes.len()).map_err(|_| Errno::ENOMEM)?;
        taken.extend_from_slice(holes);
        taken.sort_unstable_by_key(|hole| hole.start);
        Ok(Addresses { all, taken })
    }

    /// Takes `pages` pages, the lowest there are: the first one's number. `ENOMEM` where there are none.
    pub fn take(&mut self, pages: u64) -> Result<u64> {
        self.taken.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let mut first = self.all.start;
        let mut at = 0;
        while let Some(run) = self.taken.get(at)
            && first.checked_add(pages).is_none_or(|end| end >= run.start)
        {
            first = first.max(run.end + 1);
            at += 1;
        }
        let end = first.checked_add(pages).filter(|&end| end <= self.all.end).ok_or(Errno::ENOMEM)?;
        self.taken.insert(at, first..end);
        Ok(first)
    }

    /// Gives back what [`take`](Self::take) gave.
    pub fn give_back(&mut self, first: u64) {
        if let Ok(at) = self.taken.binary_search_by_key(&first, |run| run.start) {
            self.taken.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_that_fits_with_a_page_between() {
        let hole = 20..30;
        let mut addresses = Addresses::new(1..100, core::slice::from_ref(&hole)).unwrap();
        assert_eq!([4, 4, 8].map(|pages| addresses.take(pages)), [Ok(1), Ok(6), Ok(11)]);
        assert_eq!(addresses.take(1), Ok(31), "the page before the hole stays free");
        addresses.give_back(6);
        assert_eq!([5, 4, 2].map(|pages| addresses.take(pages)), [Ok(33), Ok(6), Ok(39)]);
        assert_eq!(addresses.take(100), Err(Errno::ENOMEM));
        assert_eq!(addresses.take(58), Ok(42));
        assert_eq!(addresses.take(1), Err(Errno::ENOMEM));
        assert_eq!(addresses.take(u64::MAX), Err(Errno::ENOMEM));
    }

    proptest! {
        #[test]
        fn nothing_is_given_out_twice(steps in proptest::collection::vec((1u64..40, any::<bool>()), 1..200)) {
            let hole = 100..140;
            let mut addresses = Addresses::new(1..500, core::slice::from_ref(&hole)).unwrap();
            let mut held: Vec<Range<u64>> = Vec::new();
            for (pages, gives_back) in steps {
                if gives_back && !held.is_empty() {
                    addresses.give_back(held.swap_remove(pages as usize % held.len()).start);
                } else if let Ok(first) = addresses.take(pages) {
                    let new = first..first + pages;
                    assert!(new.start >= 1 && new.end <= 500);
                    let apart = |other: &Range<u64>| new.end < other.start || other.end < new.start;
                    assert!(held.iter().chain([&hole]).all(apart), "{new:?} beside {held:?}");
                    held.push(new);
                }
            }
            held.iter().for_each(|run| addresses.give_back(run.start));
            assert_eq!(addresses.taken, [hole]);
        }
    }
}
