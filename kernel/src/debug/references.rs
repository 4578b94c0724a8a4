//! The history of references: which counts were taken and put, by whom, in order. Kept while somebody wants it, for the
//! reports about the objects that the counts are in.
#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;

use crate::arch::backtrace::frame_pointer;
use crate::mm::object::{self, Trace};
use crate::sync::{IrqLock, order};

/// How many are remembered.
const KEPT: usize = 256;
/// How many of one object's a report shows, the last ones.
pub const SHOWN: usize = 16;

/// One reference taken, or about to be put.
#[derive(Clone, Copy)]
pub struct Change {
    /// The count's address, without a tag; inverted, lest it be taken for a pointer that keeps the object.
    hidden: usize,
    /// Taken, rather than put.
    pub taken: bool,
    /// By whom.
    pub who: Trace,
    /// How many objects there had been: which of those that were at this address it was.
    serial: u32,
}

impl Change {
    /// The count's address, without a tag.
    pub fn count(&self) -> usize {
        !self.hidden
    }
}

struct History {
    changes: [Change; KEPT],
    next: usize,
}

const NONE: Change = Change { hidden: 0, taken: false, who: Trace::NONE, serial: 0 };
static HISTORY: IrqLock<History, { order::REFERENCES }> =
    IrqLock::new(History { changes: [NONE; KEPT], next: 0 });
static ON: AtomicBool = AtomicBool::new(false);

/// Begins to remember, or stops.
pub fn remember(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

/// An address without its tag.
pub fn untagged(address: usize) -> usize {
    address | 0xff << 56
}

/// A reference of the count at `count` was taken, or is about to be put. From any context.
#[inline]
pub fn note(count: *const u8, taken: bool) {
    if ON.load(Ordering::Relaxed) {
        remember_change(count, taken);
    }
}

#[cold]
#[inline(never)]
fn remember_change(count: *const u8, taken: bool) {
    let (mut who, serial) = (Trace::NONE, object::serial());
    who.note(frame_pointer());
    let mut history = HISTORY.lock();
    let at = history.next % KEPT;
    history.changes[at] = Change { hidden: !untagged(count.addr()), taken, who, serial };
    history.next += 1;
}

/// Whether they are remembered.
pub fn are_remembered() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The last changes of the counts within these untagged addresses, since the object with this serial number was made
/// there, and before there were any younger than `until`, in order; and whether there may have been others before them.
pub fn of(object: Range<usize>, serial: u32, until: Option<u32>) -> (ArrayVec<Change, SHOWN>, bool) {
    let since = |change: &Change| change.serial.wrapping_sub(serial) as i32 >= 0;
    let before = |change: &Change| until.is_none_or(|until| until.wrapping_sub(change.serial) as i32 >= 0);
    let mut last = ArrayVec::new();
    let history = HISTORY.lock();
    let oldest = history.next.saturating_sub(KEPT);
    let mut cut = oldest > 0 && since(&history.changes[oldest % KEPT]);
    for at in oldest..history.next {
        let change = history.changes[at % KEPT];
        if object.contains(&change.count()) && since(&change) && before(&change) {
            if last.is_full() {
                last.remove(0);
                cut = true;
            }
            last.push(change);
        }
    }
    (last, cut)
}
