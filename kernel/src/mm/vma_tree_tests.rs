//! The tree of areas against a model that knows nothing but pages.

use proptest::prelude::*;

use super::*;
use crate::mm::Prot;
use crate::mm::vma::VmFlags;

const PAGE: u64 = PAGE_SIZE as u64;
const PAGES: u64 = 48;

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u64, u8),
    Remove(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (0..PAGES, 1..PAGES / 2).prop_map(|(at, len)| (at, (at + len).min(PAGES)));
    let step = prop_oneof![
        (range.clone(), 1u8..4).prop_map(|((a, b), prot)| Step::Insert(a, b, prot)),
        range.prop_map(|(a, b)| Step::Remove(a, b)),
    ];
    prop::collection::vec(step, 1..60)
}

fn area(from: u64, to: u64, prot: u8) -> Vma {
    Vma::anonymous(from * PAGE, to * PAGE, Prot::from_bits_truncate(prot), VmFlags::empty())
}

fn check(tree: &VmaTree, model: &[u8]) -> Result<(), TestCaseError> {
    for page in 0..PAGES {
        let prot = tree.find(page * PAGE).map_or(0, |vma| vma.prot.bits());
        prop_assert_eq!(prot, model[page as usize]);
    }
    let mut before: Option<&Vma> = None;
    for vma in tree.iter() {
        prop_assert!(vma.start < vma.end);
        if let Some(before) = before {
            prop_assert!(before.end <= vma.start);
            prop_assert!(!before.continues_into(vma), "neighbours left apart");
        }
        before = Some(vma);
    }
    for len in 1..=PAGES {
        let fits = |at: &u64| model[*at as usize..(*at + len) as usize].iter().all(|&p| p == 0);
        let any = (0..=PAGES - len).rev().find(fits);
        let found = tree.find_free(len * PAGE).map(|at| at / PAGE);
        prop_assert_eq!(found.is_some(), any.is_some());
        prop_assert!(found.is_none_or(|at| fits(&at)));
        prop_assert_eq!(found, any, "not the highest place");
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_the_model(steps in steps()) {
        let mut tree = VmaTree::new(0, PAGES * PAGE);
        let mut model = vec![0u8; PAGES as usize];
        for step in steps {
            match step {
                Step::Insert(a, b, prot) => {
                    while tree.take_first(a * PAGE, b * PAGE).is_some() {}
                    tree.insert(area(a, b, prot));
                    model[a as usize..b as usize].fill(prot);
                }
                Step::Remove(a, b) => {
                    let had = model[a as usize..b as usize].iter().filter(|&&p| p != 0).count() as u64;
                    let mut took = 0;
                    while let Some(vma) = tree.take_first(a * PAGE, b * PAGE) {
                        prop_assert!(a * PAGE <= vma.start && vma.end <= b * PAGE);
                        took += vma.pages() as u64;
                    }
                    prop_assert_eq!(took, had);
                    model[a as usize..b as usize].fill(0);
                }
            }
            // Removal does not merge; an area with the same protection may touch its twin after a cut.
            check(&tree, &model)?;
        }
    }
}

#[test]
fn a_free_range_is_found_fast_among_many() {
    let mut tree = VmaTree::new(0, 1 << 40);
    for i in 0..60_000u64 {
        // One page mapped, one free.
        tree.insert(area(i * 2, i * 2 + 1, 3));
    }
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        assert!(tree.find_free(2 * PAGE).is_some());
    }
    assert!(start.elapsed().as_millis() < 500);
}
