//! The allocator against a model that is too simple to be wrong: one bool a page.

use proptest::collection::vec;
use proptest::prelude::*;

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

    /// The length of the smallest extent that can hold the pages aligned.
    fn best(&self, pages: usize, align: u32) -> Option<usize> {
        let step = 1u64 << align;
        let fits = |&(start, len): &(usize, usize)| {
            (start..start + len)
                .any(|at| (self.base + at as u64).is_multiple_of(step) && at + pages <= start + len)
        };
        self.extents().into_iter().filter(fits).map(|(_, len)| len).min()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate { pages: usize, align: u32 },
    Free { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1usize..40, 0u32..6).prop_map(|(pages, align)| Step::Allocate { pages, align }),
        2 => any::<usize>().prop_map(|which| Step::Free { which }),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_model(pages in 1usize..300, base in 0u64..64, steps in vec(step(), 0..200)) {
        let mut contig = Contig::new(pages, base).unwrap();
        let mut model = Model { free: std::vec![true; pages], base };
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate { pages, align } => match contig.allocate(pages, align) {
                    Ok(first) => {
                        let best = model.best(pages, align).unwrap();
                        let (_, chosen) = *model.extents().iter().rfind(|(start, _)| *start <= first).unwrap();
                        prop_assert_eq!(chosen, best);
                        prop_assert!((base + first as u64).is_multiple_of(1 << align));
                        prop_assert!(model.free[first..first + pages].iter().all(|&free| free));
                        model.free[first..first + pages].fill(false);
                        taken.push((first, pages));
                    }
                    Err(errno) => {
                        prop_assert_eq!(errno, Errno::ENOMEM);
                        prop_assert_eq!(model.best(pages, align), None);
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
