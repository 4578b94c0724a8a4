//! Who made something that is no object of the heap, who held it, and who ended it: for reports about its use afterwards.
#![forbid(unsafe_code)]

use super::references;
use crate::arch::backtrace::frame_pointer;
use crate::mm::object::{self, Trace};

/// When something was done, and by whom.
#[derive(Clone, Copy)]
pub struct Moment {
    /// By whom.
    pub who: Trace,
    /// How many objects there had been.
    pub serial: u32,
}

impl Moment {
    /// Here and now. From any context.
    #[inline(never)]
    pub fn now() -> Moment {
        let mut who = Trace::NONE;
        who.note(frame_pointer());
        Moment { who, serial: object::serial() }
    }
}

/// A life, begun and perhaps ended.
#[derive(Clone, Copy)]
pub struct Life {
    /// Who began it.
    pub began: Moment,
    /// Who ended it, if anybody did.
    pub ended: Option<Moment>,
    /// Where its references are counted, without a tag; inverted, lest it be taken for a pointer that keeps the count.
    hidden: usize,
}

impl Life {
    /// One that begins at `began`, and whose references are not counted yet.
    pub fn new(began: Moment) -> Life {
        Life { began, ended: None, hidden: 0 }
    }

    /// Says where its references are counted.
    pub fn set_count(&mut self, count: *const u8) {
        self.hidden = !references::untagged(count.addr());
    }

    /// Where they are, if anybody said so.
    pub fn count(&self) -> Option<usize> {
        (self.hidden != 0).then_some(!self.hidden)
    }

    /// It ends at `now`.
    pub fn end(&mut self, now: Moment) {
        self.ended = Some(now);
    }
}
