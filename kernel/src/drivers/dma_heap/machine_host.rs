//! The machine where unit tests run: page frames are numbers that nobody looks behind.
#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::refcount::Fault;
use heaps::{Errno, PhysAddr, Result, Run};

use crate::mm::loans::Lender;

const TOTAL: u64 = 1 << 16;
static NEXT: AtomicU64 = AtomicU64::new(0x40000);

/// A run of `1 << order` frames.
pub fn alloc(order: u32) -> Option<PhysAddr> {
    let pages = 1 << order;
    let after = |next: u64| Some(next.next_multiple_of(pages) + pages);
    let before = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok()?;
    Some(PhysAddr::from_pfn(before.next_multiple_of(pages)))
}

/// Gives a run back.
pub fn free(_: PhysAddr, _: u32) {}

/// Zeroes frames.
pub fn zero(_: PhysAddr, _: usize) {}

/// Whether so many frames could ever be had.
pub fn admit(pages: usize) -> Result<()> {
    if pages as u64 > TOTAL { Err(Errno::ENOMEM) } else { Ok(()) }
}

/// The page frames there are, from the first to the last.
pub fn memory() -> Run {
    Run::new(PhysAddr::from_pfn(0x40000), TOTAL as usize).expect("a run of less than the most")
}

/// Frames that are numbers are no memory to lend.
pub fn lend(_: &'static dyn Lender, _: Range<u64>, _: usize) {}

/// Nobody reports about objects.
pub fn name_object(_: *const u8, _: &'static str) {}

/// A reference count was misused.
pub fn refcount_fault(fault: Fault, _: *const u8) {
    panic!("refcount: {fault:?}");
}

/// Nobody remembers who took what.
pub fn counted(_: *const u8, _: bool) {}
