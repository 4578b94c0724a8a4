//! Lists of records, chained through the records themselves.

use super::UNIT;
use crate::mm::object::record::{MAGIC, Record};

/// A list of records, oldest first.
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    /// No records.
    pub(super) const EMPTY: List = List { head: 0, tail: 0 };

    /// Appends a record of the region at `base`. `next` of the last one means nothing.
    #[inline]
    pub(super) fn push(&mut self, base: usize, record: u32) {
        let tail = core::mem::replace(&mut self.tail, record);
        match self.head {
            0 => self.head = record,
            // SAFETY: records on a list are idle or freed: only the list, which is borrowed, has them.
            _ => unsafe { record_at(base, tail) }.next = record,
        }
    }

    /// Takes the first record out.
    #[inline]
    pub(super) fn pop(&mut self, base: usize) -> Option<u32> {
        let head = self.head;
        if head == 0 {
            return None;
        }
        // SAFETY: as above.
        self.head = if head == self.tail { 0 } else { unsafe { record_at(base, head) }.next };
        Some(head)
    }
}

/// # Safety
/// In the region that begins at `base`, a record stands at `record`, and nobody else has it.
#[inline]
pub(super) unsafe fn record_at<'a>(base: usize, record: u32) -> &'a mut Record {
    let ptr = base as *mut u8;
    // SAFETY: the caller vouches for it.
    let record = unsafe { &mut *ptr.add(record as usize * UNIT).cast::<Record>() };
    debug_assert!(record.magic == MAGIC);
    record
}
