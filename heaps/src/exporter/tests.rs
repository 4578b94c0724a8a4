//! Both heaps' pages: how they are chosen, and that every one comes back.

use std::boxed::Box;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::*;
use crate::Run;
use crate::testing::{Machine, TestPlatform};
use crate::{Errno, HeapOps, PhysAddr, SgTable};

fn sizes(table: &SgTable) -> Vec<usize> {
    table.runs().iter().map(|run| run.pages()).collect()
}

#[test]
fn the_system_heap_takes_the_largest_runs_that_fit() {
    let heap = SystemHeap::<TestPlatform>::new();
    let machine = Machine::here();
    let table = heap.allocate((256 + 2 * 16 + 3) << 12, 0).unwrap();
    assert_eq!(sizes(&table), [256, 16, 16, 1, 1, 1]);
    assert_eq!(machine.zeroed.load(Ordering::Relaxed), 291);
    heap.release(table);
    assert_eq!(machine.frames_used(), 0);
}

#[test]
fn the_system_heap_never_rises_again() {
    let heap = SystemHeap::<TestPlatform>::new();
    let machine = Machine::here();
    machine.largest_order.store(4, Ordering::Relaxed);
    let table = heap.allocate(512 << 12, 0).unwrap();
    assert!(sizes(&table).iter().all(|&pages| pages == 16));
    heap.release(table);
}

#[test]
fn what_the_system_heap_cannot_finish_it_undoes() {
    let heap = SystemHeap::<TestPlatform>::new();
    let machine = Machine::here();
    machine.frames.store(300, Ordering::Relaxed);
    let held = heap.allocate(100 << 12, 0).unwrap();
    assert_eq!(heap.allocate(250 << 12, 0).unwrap_err(), Errno::ENOMEM);
    assert_eq!(heap.allocate(301 << 12, 0).unwrap_err(), Errno::ENOMEM);
    assert_eq!(machine.frames_used(), 100);
    machine.killed.store(true, Ordering::Relaxed);
    assert_eq!(heap.allocate(1 << 12, 0).unwrap_err(), Errno::EINTR);
    heap.release(held);
    assert_eq!(machine.frames_used(), 0);
}

#[test]
fn the_cma_heap_takes_one_aligned_run() {
    let base = PhysAddr::from_pfn(0x1_0100);
    let region = Box::leak(Box::new(CmaRegion::<TestPlatform>::new(base, 1024).unwrap()));
    let heap = CmaHeap::<TestPlatform, _>::new(&*region);
    let small = heap.allocate(1 << 12, 0).unwrap();
    let large = heap.allocate(300 << 12, 0).unwrap();
    assert_eq!((sizes(&small), sizes(&large)), ([1].to_vec(), [300].to_vec()));
    assert!(large.runs()[0].start().pfn().is_multiple_of(256));
    assert_eq!(Machine::here().zeroed.load(Ordering::Relaxed), 301);
    assert_eq!(heap.allocate(800 << 12, 0).unwrap_err(), Errno::ENOMEM);
    assert_eq!(heap.allocate(usize::MAX & !0xfff, 0).unwrap_err(), Errno::ENOMEM);
    Machine::here().killed.store(true, Ordering::Relaxed);
    assert_eq!(heap.allocate(1 << 12, 0).unwrap_err(), Errno::EINTR);
    assert_eq!(region.stats().free, 1024 - 301);
    heap.release(small);
    heap.release(large);
    assert_eq!((region.stats().free, region.stats().extents), (1024, 1));
}

/// A region that lends, and all of whose pages are lent; the pages in `pinned` stay when they are asked back.
fn lent(pages: usize, pinned: &'static [u64]) -> &'static CmaRegion<TestPlatform> {
    let base = PhysAddr::from_pfn(0x1_0000);
    let region = Box::leak(Box::new(CmaRegion::<TestPlatform>::lending(base, pages).unwrap()));
    let region = &*region;
    assert_eq!(core::iter::from_fn(|| region.lend()).count(), pages);
    let evict = move |run: Run| {
        let first = run.start().pfn();
        for pfn in (first..first + run.pages() as u64).filter(|pfn| !pinned.contains(&(pfn - 0x1_0000))) {
            region.take_back(PhysAddr::from_pfn(pfn));
        }
        Ok(())
    };
    *Machine::here().borrower.lock().unwrap() = Some(Box::new(evict));
    region
}

#[test]
fn what_is_lent_comes_back_for_a_buffer() {
    let region = lent(64, &[]);
    assert_eq!((region.lendable(), region.stats().free, region.lend()), (0, 64, None));
    let run = region.take(16).unwrap();
    assert_eq!(region.loan_stats(), LoanStats { lent: 48, moved: 16, busy: 0 });
    // What a buffer has is not lent; what it had is.
    assert_eq!((region.lend(), region.lendable()), (None, 0));
    region.give_back(run);
    assert_eq!(region.lendable(), 16);
    let again = region.lend().unwrap();
    assert!((run.start().pfn()..run.start().pfn() + 16).contains(&again.pfn()));
    assert_eq!(region.take(64).unwrap().pages(), 64);
    assert_eq!(region.loan_stats(), LoanStats { lent: 0, moved: 65, busy: 0 });
}

#[test]
fn a_page_that_stays_is_gone_round() {
    let region = lent(64, &[5]);
    assert_eq!(region.take(8).unwrap().start().pfn(), 0x1_0008);
    assert_eq!(region.loan_stats().busy, 2, "the place chosen, and then the first of all");
    assert_eq!(region.take(64), Err(Errno::ENOMEM));
    assert_eq!(region.take(33), Err(Errno::ENOMEM), "aligned, it could only be at the start");
    assert_eq!((region.stats().free, region.stats().allocations), (56, 1));
    assert_eq!(region.take(32).unwrap().start().pfn(), 0x1_0020);
    // The page comes back by itself.
    assert!(region.take_back(PhysAddr::from_pfn(0x1_0005)));
    assert_eq!(region.take(8).unwrap().start().pfn(), 0x1_0000);
}

#[test]
fn nobody_to_ask_is_no_memory() {
    let region = lent(16, &[]);
    *Machine::here().borrower.lock().unwrap() = None;
    assert_eq!(region.take(1), Err(Errno::ENOMEM));
    assert_eq!((region.stats().free, region.loan_stats().lent, region.loan_stats().moved), (16, 16, 0));
    assert!(!region.take_back(PhysAddr::from_pfn(0x2_0000)), "another's page");
}

#[test]
fn what_no_buffer_has_is_told_in_pieces_with_what_is_lent_of_them() {
    let region = CmaRegion::<TestPlatform>::lending(PhysAddr::from_pfn(0x1_0000), 20).unwrap();
    let run = region.take(6).unwrap();
    assert_eq!(run.start(), region.base());
    assert!((0..3).all(|_| region.lend().is_some()));
    let mut pieces = Vec::new();
    region.each_free(8, &mut |piece, lent| pieces.push((piece, lent)));
    assert_eq!(pieces, [(6..8, 0), (8..16, 0), (16..20, 3)]);
    region.give_back(run);
}
