//! The allocator against a model that is too simple to be wrong: one bool a page.

use proptest::collection::vec;
use proptest::prelude::*;

use super::linux_cma::Random;
use super::*;

struct Model {
    free: Vec<bool>,
    base: u64,
}

impl Model {
    /// Free runs, in order of address.
    fn extents(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.free.len() {
            let len = self.free[at..].iter().take_while(|&&free| free).count();
            if len > 0 {
                found.push((at, len));
            }
            at += len.max(1);
        }
        found
    }

    /// The extent that the pages are to come out of, aligned and within a range: the smallest that can hold them, the
    /// first of those; a few pages out of the first that can.
    fn chosen(&self, pages: usize, align: u32, within: &Range<usize>) -> Option<(usize, usize)> {
        let step = 1u64 << align;
        let fits = |&(start, len): &(usize, usize)| {
            (start.max(within.start)..(start + len).min(within.end)).any(|at| {
                (self.base + at as u64).is_multiple_of(step) && at + pages <= (start + len).min(within.end)
            })
        };
        let mut fitting = self.extents().into_iter().filter(fits);
        if pages < 64 { fitting.next() } else { fitting.min_by_key(|(_, len)| *len) }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate { pages: usize, align: u32, within: Range<usize> },
    Free { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1usize..40, 0u32..6).prop_map(|(pages, align)| Step::Allocate { pages, align, within: 0..usize::MAX }),
        2 => (60usize..90, 0u32..8).prop_map(|(pages, align)| Step::Allocate { pages, align, within: 0..usize::MAX }),
        1 => (1usize..90, 0u32..6, 0usize..1500, 0usize..600)
            .prop_map(|(pages, align, start, len)| Step::Allocate { pages, align, within: start..start + len }),
        2 => any::<usize>().prop_map(|which| Step::Free { which }),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_model(pages in 1usize..1500, base in 0u64..64, steps in vec(step(), 0..200)) {
        let mut contig = Contig::new(pages, base).unwrap();
        let mut model = Model { free: std::vec![true; pages], base };
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate { pages, align, within } => match contig.allocate_within(pages, align, within.clone()) {
                    Ok(first) => {
                        let chosen = model.chosen(pages, align, &within).unwrap();
                        prop_assert!(within.start <= first && first + pages <= within.end);
                        let from = *model.extents().iter().rfind(|(start, _)| *start <= first).unwrap();
                        prop_assert_eq!(from, chosen);
                        prop_assert!((base + first as u64).is_multiple_of(1 << align));
                        prop_assert!(model.free[first..first + pages].iter().all(|&free| free));
                        model.free[first..first + pages].fill(false);
                        taken.push((first, pages));
                    }
                    Err(errno) => {
                        prop_assert_eq!(errno, Errno::ENOMEM);
                        prop_assert_eq!(model.chosen(pages, align, &within), None);
                    }
                },
                Step::Free { which } if !taken.is_empty() => {
                    let (first, pages) = taken.swap_remove(which % taken.len());
                    contig.free(first, pages);
                    model.free[first..first + pages].fill(true);
                }
                Step::Free { .. } => {}
            }
            let extents = model.extents();
            let free: Vec<(usize, usize)> = contig.free_extents().map(|free| (free.start, free.len())).collect();
            prop_assert_eq!(&free, &extents);
            prop_assert_eq!(contig.stats(), Stats {
                pages,
                free: extents.iter().map(|(_, len)| len).sum(),
                allocations: taken.len(),
                extents: extents.len(),
                largest: extents.iter().map(|(_, len)| *len).max().unwrap_or(0),
            });
        }
    }
}

#[test]
fn freeing_needs_no_memory() {
    let mut contig = Contig::new(1000, 0).unwrap();
    let taken: Vec<usize> = (0..1000).map(|_| contig.allocate(1, 0).unwrap()).collect();
    let room = contig.tree.capacity();
    for first in taken.iter().step_by(2) {
        contig.free(*first, 1);
    }
    assert_eq!(contig.tree.capacity(), room);
    assert_eq!(contig.stats().extents, 500);
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(Contig::new(0, 0).unwrap_err(), Errno::EINVAL);
    assert_eq!(Contig::new(u32::MAX as usize, 0).unwrap_err(), Errno::EINVAL);
    let mut contig = Contig::new(8, 0).unwrap();
    assert_eq!(contig.allocate(0, 0), Err(Errno::EINVAL));
    assert_eq!(contig.allocate(9, 0), Err(Errno::ENOMEM));
    assert_eq!(contig.allocate(usize::MAX, 0), Err(Errno::ENOMEM));
    assert_eq!(contig.allocate(1, 63), Ok(0));
    assert_eq!(contig.allocate(1, 64), Err(Errno::ENOMEM));
}

#[test]
fn the_tree_stays_shallow() {
    let mut contig = Contig::new(1 << 17, 0).unwrap();
    let taken: Vec<usize> = (0..1 << 17).map(|_| contig.allocate(1, 0).unwrap()).collect();
    taken.iter().step_by(2).for_each(|first| contig.free(*first, 1));
    assert_eq!(contig.stats().extents, 1 << 16);
    assert!(contig.tree.depth() < 60, "{}", contig.tree.depth());
}

/// Ten million operations on a region of 64 MiB, against one bit a page.
#[test]
fn ten_million_operations() {
    const PAGES: usize = 1 << 14;
    let mut contig = Contig::new(PAGES, 5).unwrap();
    let mut bitmap = std::vec![0u64; PAGES / 64];
    let mut live: Vec<(u32, u32)> = Vec::new();
    let mut random = Random(0x1a57_4ef5);
    let mut free = PAGES;
    for _ in 0..10_000_000 {
        let draw = random.next();
        if draw & 1 == 0 || live.is_empty() {
            let (pages, align) = (1 + (draw >> 8) as usize % 48, (draw >> 16) as u32 % 6);
            if let Ok(first) = contig.allocate(pages, align) {
                assert!((first + 5).is_multiple_of(1 << align));
                flip(&mut bitmap, first, pages, false);
                free -= pages;
                live.push((first as u32, pages as u32));
            }
        } else {
            let (first, pages) = live.swap_remove((draw >> 8) as usize % live.len());
            contig.free(first as usize, pages as usize);
            flip(&mut bitmap, first as usize, pages as usize, true);
            free += pages as usize;
        }
        debug_assert_eq!(contig.free, free);
    }
    live.into_iter().for_each(|(first, pages)| contig.free(first as usize, pages as usize));
    let all = Stats { pages: PAGES, free: PAGES, allocations: 0, extents: 1, largest: PAGES };
    assert_eq!(contig.stats(), all);
}

/// Flips `pages` bits, all of which have to be `taken`.
fn flip(bitmap: &mut [u64], first: usize, pages: usize, taken: bool) {
    for page in first..first + pages {
        assert_eq!(bitmap[page / 64] >> (page % 64) & 1 == 1, taken, "page {page}");
        bitmap[page / 64] ^= 1 << (page % 64);
    }
}
