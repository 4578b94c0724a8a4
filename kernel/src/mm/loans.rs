//! Page frames on loan: memory set aside for contiguous buffers, which private user memory may have until it is needed
//! (Linux: pageblocks of `MIGRATE_CMA`). [`migrate`](super::aspace::migrate) moves it off again.
//!
//! Only what can be moved is put there: pages that nobody but address spaces knows. Pages of files, page tables and all
//! of the kernel's own get page frames for good.
#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use heaps::PhysAddr;
use spin::Once;

use super::frames::Frame;

/// Whoever lends page frames. No function sleeps.
pub trait Lender: Send + Sync {
    /// A page frame, contents unspecified.
    fn lend(&self) -> Option<PhysAddr>;

    /// Takes one back; false for one that it did not lend.
    fn take_back(&self, frame: PhysAddr) -> bool;

    /// How many it could lend now.
    fn lendable(&self) -> usize;
}

static LENDER: Once<&'static dyn Lender> = Once::new();
/// How many page frames it has in all: it never lends more.
static MOST: AtomicUsize = AtomicUsize::new(0);
/// The first of them, and how many from there on include the last, by number: what is not among them is known not to be
/// on loan without asking, which whoever frees a frame does.
static FIRST: AtomicU64 = AtomicU64::new(0);
static SPAN: AtomicU64 = AtomicU64::new(0);

/// Tells who lends, out of which frame numbers, and how many that can be. Once, at boot.
pub fn init(lender: &'static dyn Lender, span: Range<u64>, most: usize) {
    LENDER.call_once(|| lender);
    FIRST.store(span.start, Ordering::Relaxed);
    SPAN.store(span.end - span.start, Ordering::Relaxed);
    MOST.store(most, Ordering::Release);
}

/// How many page frames can be on loan, at the most.
pub fn most() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// How many page frames could be had now.
pub fn lendable() -> usize {
    LENDER.get().map_or(0, |lender| lender.lendable())
}

/// Whether more could be had than `pages`. Cheap where that cannot be.
pub fn has_more_than(pages: usize) -> bool {
    most() > pages && lendable() > pages
}

/// A page frame on loan, contents unspecified. Dropped like any other, it goes back to its lender.
pub fn borrow() -> Option<Frame> {
    LENDER.get()?.lend().map(Frame::from_raw)
}

/// Gives a free page frame back, if it was on loan.
#[inline]
pub fn give_back(frame: PhysAddr) -> bool {
    let at = frame.pfn().wrapping_sub(FIRST.load(Ordering::Relaxed));
    at < SPAN.load(Ordering::Relaxed) && return_to_lender(frame)
}

#[cold]
fn return_to_lender(frame: PhysAddr) -> bool {
    LENDER.get().is_some_and(|lender| lender.take_back(frame))
}
