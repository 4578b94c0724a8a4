//! Linux's search, as a measure: the lowest place, in a bitmap (`mm/cma.c`, `lib/bitmap.c`), on the same traces as ours.
//!
//! Linux itself is asked by `tests/c/conformance/fragments.c`: generator and traces here are those of that program. What
//! the model says of each trace is to the last request what Linux 6.1 did, which a test here checks.

use super::*;

/// What allocates pages: ours or the model, aligned as the heap asks for it.
trait Allocator {
    fn take(&mut self, pages: usize) -> Option<usize>;
    fn give_back(&mut self, first: usize, pages: usize);
}

fn align(pages: usize) -> u32 {
    pages.next_power_of_two().trailing_zeros().min(8)
}

impl Allocator for Contig {
    fn take(&mut self, pages: usize) -> Option<usize> {
        self.allocate(pages, align(pages)).ok()
    }

    fn give_back(&mut self, first: usize, pages: usize) {
        self.free(first, pages);
    }
}

/// One bool a page; the first aligned run of free pages is taken.
struct FirstFit {
    taken: Vec<bool>,
}

impl Allocator for FirstFit {
    fn take(&mut self, pages: usize) -> Option<usize> {
        let mut start = 0usize;
        loop {
            start = start.next_multiple_of(1 << align(pages));
            let run = self.taken.get(start..start + pages)?;
            match run.iter().rposition(|&taken| taken) {
                Some(last) => start += last + 1,
                None => break,
            }
        }
        self.taken[start..start + pages].fill(true);
        Some(start)
    }

    fn give_back(&mut self, first: usize, pages: usize) {
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

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const PAGES: usize = 63 << 8;
/// How often Linux was asked to play a trace.
const ROUNDS: u64 = 4;
const STEPS: usize = 1000;
const INTERVAL: usize = 100;

/// Buffers of one kind: what part of the region they are asked for in all, in percent, and the next one's pages.
type Kind = (usize, fn(&mut Random) -> usize);

/// Mostly small, now and then a megabyte or eight.
const MIXED: &[Kind] = &[(90, |random| {
    let order = random.below(12).min(random.below(12));
    (1 << order) + random.below(1 << order) / 2
})];

/// Small ones that lie between large ones.
const SMALL_BETWEEN_LARGE: &[Kind] =
    &[(20, |random| 1 + random.below(24)), (70, |random| 200 + random.below(801))];

/// Pictures of a few sizes.
const FRAMES: &[Kind] = &[(90, |random| [29, 113, 338, 760, 1013][random.below(5)])];

/// What became of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    refused: usize,
    /// Of those, the ones for which enough pages were free.
    fragmented: usize,
    /// Of 1000 free pages, those in the largest request that was granted.
    largest: usize,
}

/// Of one kind what was asked for and not given back yet.
#[derive(Clone, Default)]
struct Live {
    /// Each one's pages, and where they are.
    buffers: Vec<(usize, Option<usize>)>,
    /// Pages in all.
    wanted: usize,
}

/// A trace that is being played.
struct Player<A> {
    allocator: A,
    random: Random,
    /// Of each kind.
    live: Vec<Live>,
    held: usize,
}

impl<A: Allocator> Player<A> {
    /// The next step; whether a request was refused, and whether although enough pages were free. What is refused
    /// changes nothing about the steps after it.
    fn step(&mut self, kinds: &[Kind]) -> (bool, bool) {
        let which = if kinds.len() > 1 { self.random.below(kinds.len()) } else { 0 };
        let ((percent, draw), live) = (kinds[which], &mut self.live[which]);
        if live.wanted * 100 < PAGES * percent {
            let pages = draw(&mut self.random);
            let first = self.allocator.take(pages);
            self.held += first.map_or(0, |_| pages);
            live.wanted += pages;
            live.buffers.push((pages, first));
            return (first.is_none(), first.is_none() && PAGES - self.held >= pages);
        }
        let (pages, first) = live.buffers.swap_remove(self.random.below(live.buffers.len()));
        live.wanted -= pages;
        if let Some(first) = first {
            self.allocator.give_back(first, pages);
            self.held -= pages;
        }
        (false, false)
    }

    /// The largest request that is granted now.
    fn largest(&mut self) -> usize {
        let (mut granted, mut refused) = (0, PAGES + 1);
        while refused - granted > 1 {
            let pages = (granted + refused) / 2;
            match self.allocator.take(pages) {
                Some(first) => {
                    self.allocator.give_back(first, pages);
                    granted = pages;
                }
                None => refused = pages,
            }
        }
        granted
    }
}

fn play<A: Allocator>(kinds: &[Kind], rounds: u64, new: impl Fn() -> A) -> Figures {
    let (mut figures, mut largest, mut free) = (Figures::default(), 0, 0);
    for round in 1..=rounds {
        let random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let live = std::vec![Live::default(); kinds.len()];
        let mut player = Player { allocator: new(), random, live, held: 0 };
        for step in 1..=STEPS {
            let (refused, fragmented) = player.step(kinds);
            figures.refused += usize::from(refused);
            figures.fragmented += usize::from(fragmented);
            if step % INTERVAL == 0 {
                largest += player.largest();
                free += PAGES - player.held;
            }
        }
    }
    Figures { largest: largest * 1000 / free, ..figures }
}

fn ours(kinds: &[Kind], rounds: u64) -> Figures {
    play(kinds, rounds, || Contig::new(PAGES, 0).unwrap())
}

fn model(kinds: &[Kind], rounds: u64) -> Figures {
    play(kinds, rounds, || FirstFit { taken: std::vec![false; PAGES] })
}

#[test]
fn fragments_no_more_than_first_fit() {
    for (name, kinds) in [("mixed", MIXED), ("small between large", SMALL_BETWEEN_LARGE), ("frames", FRAMES)]
    {
        let (ours, linux) = (ours(kinds, 16 * ROUNDS), model(kinds, 16 * ROUNDS));
        std::println!("{name}: {ours:?}, first fit {linux:?}");
        assert!(linux.fragmented > 0, "{name}: the trace is too easy to tell them apart");
        assert!(ours.refused <= linux.refused, "{name}: {ours:?}, first fit {linux:?}");
        assert!(ours.fragmented <= linux.fragmented, "{name}: {ours:?}, first fit {linux:?}");
        assert!(ours.largest >= linux.largest, "{name}: {ours:?}, first fit {linux:?}");
    }
}

/// The figures are those of `tests/c/conformance/fragments.expected`, which Linux printed.
#[test]
fn first_fit_is_what_linux_does() {
    for (kinds, [refused, fragmented, largest]) in
        [(MIXED, [70, 70, 217]), (SMALL_BETWEEN_LARGE, [220, 220, 163]), (FRAMES, [189, 189, 229])]
    {
        assert_eq!(model(kinds, ROUNDS), Figures { refused, fragmented, largest });
    }
}
