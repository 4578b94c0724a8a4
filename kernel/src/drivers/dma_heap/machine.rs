//! The machine, as far as buffers and reports about heaps need it.
#![forbid(unsafe_code)]

use core::ops::Range;

use heaps::refcount::Fault;
use heaps::{Errno, PhysAddr, Result, Run};

use crate::debug::{references, report};
use crate::mm::loans::{self, Lender};
use crate::mm::{frames, in_flight, object};

/// A run of `1 << order` page frames.
pub fn alloc(order: u32) -> Option<PhysAddr> {
    frames::alloc_order(order).ok()
}

/// Gives a run back.
pub fn free(start: PhysAddr, order: u32) {
    frames::free_order(start, order);
}

/// Zeroes frames, which a buffer is made of.
pub fn zero(start: PhysAddr, pages: usize) {
    in_flight::check(start, pages);
    frames::zero(start, pages);
}

/// `ENOMEM` when so many frames could never be had, or nothing new may be started.
pub fn admit(pages: usize) -> Result<()> {
    if pages > frames::total_count() { Err(Errno::ENOMEM) } else { object::admit() }
}

/// The page frames there are, from the first to the last.
pub fn memory() -> Run {
    frames::span()
}

/// Lets user memory borrow page frames with numbers in `span`, `most` at the most. Once, at boot.
pub fn lend(lender: &'static dyn Lender, span: Range<u64>, most: usize) {
    loans::init(lender, span, most);
}

/// Names an object for reports.
pub fn name_object(object: *const u8, kind: &'static str) {
    object::name(object, kind);
}

/// Reports the misuse of the reference count at `count`.
pub fn refcount_fault(fault: Fault, count: *const u8) {
    report::refcount(format_args!("{fault:?}"), count);
}

/// A reference of the count at `count` was taken, or is about to be put.
pub fn counted(count: *const u8, taken: bool) {
    references::note(count, taken);
}
