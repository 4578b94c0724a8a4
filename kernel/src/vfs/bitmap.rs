//! A growing set of small numbers that finds the lowest one missing without looking at every word.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, Result};

/// A set of numbers below a size that grows by doubling (Linux: `open_fds` and `full_fds_bits`).
#[derive(Default)]
pub struct Bitmap {
    words: Vec<u64>,
    /// One bit for each word of `words` that is all ones.
    full: Vec<u64>,
}

impl Bitmap {
    /// The lowest number from `start` on that is not in the set.
    pub fn first_zero(&self, start: usize) -> usize {
        let first = start / 64;
        if let Some(&word) = self.words.get(first) {
            let word = word | ((1 << (start % 64)) - 1);
            if word != u64::MAX {
                return first * 64 + word.trailing_ones() as usize;
            }
        } else {
            return start;
        }
        let next = self.first_free_word(first + 1);
        match self.words.get(next) {
            Some(word) => next * 64 + word.trailing_ones() as usize,
            None => next * 64,
        }
    }

    fn first_free_word(&self, start: usize) -> usize {
        let mut at = start / 64;
        let mut below = (1u64 << (start % 64)) - 1;
        while let Some(&word) = self.full.get(at) {
            let word = word | below;
            if word != u64::MAX {
                return at * 64 + word.trailing_ones() as usize;
            }
            below = 0;
            at += 1;
        }
        (at * 64).max(start)
    }

    /// Makes room for numbers below `size`. `ENOMEM`.
    pub fn grow(&mut self, size: usize) -> Result<()> {
        let words = size.div_ceil(64);
        extend(&mut self.words, words)?;
        extend(&mut self.full, words.div_ceil(64))
    }

    /// Adds a number there is room for.
    pub fn set(&mut self, n: usize) {
        let word = &mut self.words[n / 64];
        *word |= 1 << (n % 64);
        if *word == u64::MAX {
            self.full[n / 64 / 64] |= 1 << (n / 64 % 64);
        }
    }

    /// Removes a number.
    pub fn clear(&mut self, n: usize) {
        if let Some(word) = self.words.get_mut(n / 64) {
            *word &= !(1 << (n % 64));
            self.full[n / 64 / 64] &= !(1 << (n / 64 % 64));
        }
    }

    /// Whether a number is in the set.
    pub fn contains(&self, n: usize) -> bool {
        self.words.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 != 0)
    }

    /// A copy. `ENOMEM`.
    pub fn try_clone(&self) -> Result<Bitmap> {
        Ok(Bitmap { words: copy(&self.words)?, full: copy(&self.full)? })
    }
}

fn extend(words: &mut Vec<u64>, len: usize) -> Result<()> {
    if words.len() < len {
        words.try_reserve(len - words.len()).map_err(|_| Errno::ENOMEM)?;
        words.resize(len, 0);
    }
    Ok(())
}

fn copy(words: &[u64]) -> Result<Vec<u64>> {
    let mut out = Vec::new();
    out.try_reserve_exact(words.len()).map_err(|_| Errno::ENOMEM)?;
    out.extend_from_slice(words);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn full_words_are_skipped() {
        let mut map = Bitmap::default();
        map.grow(10_000).unwrap();
        (0..9_000).for_each(|n| map.set(n));
        assert_eq!(map.first_zero(0), 9_000);
        map.clear(70);
        assert_eq!(map.first_zero(0), 70);
        assert_eq!(map.first_zero(71), 9_000);
        assert_eq!(map.first_zero(20_000), 20_000);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_set(ops in proptest::collection::vec((0usize..700, proptest::bool::ANY), 0..900), from in 0usize..800) {
            let (mut map, mut model) = (Bitmap::default(), BTreeSet::new());
            for (n, add) in ops {
                if add {
                    map.grow(n + 1).unwrap();
                    map.set(n);
                    model.insert(n);
                } else {
                    map.clear(n);
                    model.remove(&n);
                }
            }
            let first = (from..).find(|n| !model.contains(n)).unwrap();
            proptest::prop_assert_eq!(map.first_zero(from), first);
            proptest::prop_assert!((0..800).all(|n| map.contains(n) == model.contains(&n)));
        }
    }
}
