//! Linux's search, as a measure: first fit in a bitmap (`mm/cma.c`, `lib/bitmap.c`), on the same traces as ours.

use super::*;

/// One bool a page; the first aligned run of free pages is taken.
struct FirstFit {
    taken: Vec<bool>,
}

impl FirstFit {
    fn allocate(&mut self, pages: usize, align: u32) -> Option<usize> {
        let mut start = 0usize;
        loop {
            start = start.next_multiple_of(1 << align);
            let run = self.taken.get(start..start + pages)?;
            match run.iter().rposition(|&taken| taken) {
                Some(last) => start += last + 1,
                None => break,
            }
        }
        self.taken[start..start + pages].fill(true);
        Some(start)
    }

    fn free(&mut self, first: usize, pages: usize) {
        self.taken[first..first + pages].fill(false);
    }
}

/// xorshift64*: the same trace on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Mostly small, now and then a megabyte or eight.
    fn pages(&mut self) -> usize {
        let order = self.below(12).min(self.below(12));
        (1 << order) + self.below(1 << order) as usize / 2
    }
}

/// A buffer's alignment, as the heap asks for it.
fn align(pages: usize) -> u32 {
    pages.next_power_of_two().trailing_zeros().min(8)
}

const PAGES: usize = 1 << 14;

/// Asks for `percent` of the region at a time, for `steps` steps; buffers go in no particular order. Returns how
/// many pages were refused by ours, by Linux's search, and asked for in all. What one refuses it has not, and goes
/// on with what it has.
fn play(seed: u64, steps: usize, percent: usize) -> [usize; 3] {
    let mut random = Random(seed);
    let (mut ours, mut linux) = (Contig::new(PAGES, 0).unwrap(), FirstFit { taken: std::vec![false; PAGES] });
    let mut refused = [0; 3];
    // Pages, and where each allocator put them.
    let mut live: Vec<(usize, Option<usize>, Option<usize>)> = Vec::new();
    let mut wanted = 0;
    for _ in 0..steps {
        if wanted * 100 < PAGES * percent {
            let pages = random.pages();
            let placed = (ours.allocate(pages, align(pages)).ok(), linux.allocate(pages, align(pages)));
            refused[0] += placed.0.map_or(pages, |_| 0);
            refused[1] += placed.1.map_or(pages, |_| 0);
            refused[2] += pages;
            wanted += pages;
            live.push((pages, placed.0, placed.1));
        } else {
            let (pages, our, theirs) = live.swap_remove(random.below(live.len() as u64) as usize);
            our.inspect(|&first| ours.free(first, pages));
            theirs.inspect(|&first| linux.free(first, pages));
            wanted -= pages;
        }
    }
    refused
}

#[test]
fn fragments_no_more_than_first_fit() {
    for percent in [70, 80, 90] {
        let sums = (1..=8)
            .map(|seed| play(seed * 0x9e37_79b9, 10_000, percent))
            .fold([0; 3], |sum, one| core::array::from_fn(|i| sum[i] + one[i]));
        let [ours, linux, asked] = sums.map(|pages| pages as f64);
        std::println!(
            "{percent} %: {:.1} % refused, first fit {:.1} %",
            100. * ours / asked,
            100. * linux / asked
        );
        assert!(linux > 0., "the trace is too easy to tell them apart");
        assert!(ours <= linux, "{percent} %: {sums:?}");
    }
}
