//! What was mapped for a device and is no more: the last few, for the reports about a device that goes on.
#![forbid(unsafe_code)]

use core::fmt;

use arrayvec::ArrayVec;
use heaps::PAGE_SHIFT;

/// How many are remembered.
const KEPT: usize = 16;

/// A mapping that went.
#[derive(Clone)]
pub struct Gone<W> {
    /// Its first page on the device's side, by number.
    pub first: u64,
    /// Its pages.
    pub pages: u64,
    /// Where the first page was in memory.
    pub memory: u64,
    /// Who took it away.
    pub who: W,
}

impl<W> fmt::Display for Gone<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pages, first) = (self.pages, self.first << PAGE_SHIFT);
        write!(f, "a buffer of {pages} pages at {first:#x}, whose memory begins at {:#x}", self.memory)
    }
}

/// The last that went, the oldest first.
pub struct History<W>(ArrayVec<Gone<W>, KEPT>);

impl<W> Default for History<W> {
    /// Nothing.
    fn default() -> History<W> {
        History(ArrayVec::new_const())
    }
}

impl<W: Clone> History<W> {
    /// Remembers one more; the oldest is forgotten for it where there are too many.
    pub fn add(&mut self, gone: Gone<W>) {
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.push(gone);
    }

    /// The last that had page number `page` of the device's side.
    pub fn find(&self, page: u64) -> Option<Gone<W>> {
        let had = |gone: &&Gone<W>| page.checked_sub(gone.first).is_some_and(|at| at < gone.pages);
        self.0.iter().rev().find(had).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_had_a_page_is_found_until_it_is_forgotten() {
        let mut history = History::default();
        let mut add = |first, pages, who| history.add(Gone { first, pages, memory: 0x4000, who });
        add(10, 4, 'a');
        add(12, 1, 'b');
        (0..14).for_each(|n| add(100 + n, 1, 'c'));
        let who = |history: &History<char>, page| history.find(page).map(|gone| gone.who);
        assert_eq!(
            [9, 10, 12, 13, 14].map(|page| who(&history, page)),
            [None, Some('a'), Some('b'), Some('a'), None]
        );
        history.add(Gone { first: 0, pages: 1, memory: 0x4000, who: 'd' });
        assert_eq!([10, 12, 0].map(|page| who(&history, page)), [None, Some('b'), Some('d')]);
        let text = history.find(0).unwrap().to_string();
        assert_eq!(text, "a buffer of 1 pages at 0x0, whose memory begins at 0x4000");
    }
}
