//! What the children write down for the one that watches them: how many calls, and which one they are at.

use crate::rt::Mapping;
use crate::rt::abi;
use heaps::uapi::errno::Result;

/// Words of a lane: calls made, the number of the present one plus one, the thread, its arguments.
const LANE: usize = 16;
/// Threads of a child.
pub const LANES: usize = 4;

/// Pages that all children share with their parent. A child may ruin what is on them, or lose them.
pub struct Board {
    pages: Mapping,
    slots: usize,
}

/// One thread's part of it.
#[derive(Clone, Copy)]
pub struct Lane {
    first: usize,
}

impl Board {
    /// A board for `slots` children at a time.
    pub fn new(slots: usize) -> Result<Board> {
        let length = ((slots + 1) * LANES * LANE * 8).next_multiple_of(abi::PAGE);
        let pages = Mapping::new(length, abi::PROT_RW, abi::MAP_SHARED | abi::MAP_ANONYMOUS, -1, 0)?;
        pages.touch();
        Ok(Board { pages, slots })
    }

    /// The lane of those whom nobody watches.
    pub fn nobodys(&self) -> Lane {
        Board::lane(self.slots, 0)
    }

    /// A thread's lane.
    pub fn lane(slot: usize, thread: usize) -> Lane {
        Lane { first: (slot * LANES + thread) * LANE }
    }

    fn put(&self, lane: Lane, word: usize, value: u64) {
        self.pages.put_word((lane.first + word) * 8, value);
    }

    fn word(&self, lane: Lane, word: usize) -> u64 {
        self.pages.word((lane.first + word) * 8)
    }

    /// Nobody is on it.
    pub fn clear(&self, lane: Lane) {
        (0..LANE).for_each(|word| self.put(lane, word, 0));
    }

    /// The calling thread is on it.
    pub fn enter(&self, lane: Lane, tid: i32) {
        self.put(lane, 2, tid as u64);
    }

    /// The call that comes next.
    pub fn begin(&self, lane: Lane, number: usize, arguments: &[usize; 6]) {
        for (i, argument) in arguments.iter().enumerate() {
            self.put(lane, 3 + i, *argument as u64);
        }
        self.put(lane, 1, number as u64 + 1);
    }

    /// It came back.
    pub fn end(&self, lane: Lane) {
        self.put(lane, 0, self.word(lane, 0) + 1);
        self.put(lane, 1, 0);
    }

    /// How many calls there were.
    pub fn calls(&self, lane: Lane) -> u64 {
        self.word(lane, 0)
    }

    /// The thread, if there is one.
    pub fn thread(&self, lane: Lane) -> Option<i32> {
        i32::try_from(self.word(lane, 2)).ok().filter(|tid| *tid > 0)
    }

    /// The call it is at, with its arguments.
    pub fn present(&self, lane: Lane) -> Option<(u64, [u64; 6])> {
        let number = self.word(lane, 1).checked_sub(1)?;
        Some((number, core::array::from_fn(|i| self.word(lane, 3 + i))))
    }
}
