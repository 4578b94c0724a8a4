//! Both heaps' pages: how they are chosen, and that every one comes back.

use std::boxed::Box;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::*;
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
