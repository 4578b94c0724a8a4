//! A reference that its owner seldom replaces and that everybody reads without a lock: a thread's files and directories,
//! read at every system call.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{Errno, Result};
use spin::Once;

/// How often it can be replaced: what was replaced stays until all of it goes.
const MOST: usize = 64;

/// A value, and what it was replaced by.
pub struct Replaceable<T> {
    value: T,
    next: Once<Box<Replaceable<T>>>,
}

impl<T> Replaceable<T> {
    /// Not replaced yet.
    pub const fn new(value: T) -> Replaceable<T> {
        Replaceable { value, next: Once::new() }
    }

    fn last(&self) -> (&Replaceable<T>, usize) {
        let (mut last, mut count) = (self, 0);
        while let Some(next) = last.next.get() {
            (last, count) = (next, count + 1);
        }
        (last, count)
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> &T {
        match self.next.get() {
            None => &self.value,
            Some(_) => &self.last().0.value,
        }
    }

    /// Replaces it. Only for the owner, who does one thing at a time. `ENOMEM` when that was done very often.
    pub fn replace(&self, value: T) -> Result<()> {
        let (last, count) = self.last();
        if count == MOST {
            return Err(Errno::ENOMEM);
        }
        last.next.call_once(|| Box::new(Replaceable::new(value)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_counts_and_there_is_an_end() {
        let number = Replaceable::new(0);
        assert_eq!(*number.get(), 0);
        for n in 1..=MOST {
            number.replace(n).unwrap();
            assert_eq!(*number.get(), n);
        }
        assert_eq!(number.replace(0), Err(Errno::ENOMEM));
        assert_eq!(*number.get(), MOST);
    }
}
