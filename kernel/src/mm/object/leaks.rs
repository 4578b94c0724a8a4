//! Looking for objects that nothing refers to any more (Linux: `mm/kmemleak.c`).
//!
//! From the kernel's statics, the modules', and the stacks of all tasks with what they keep in registers, every word that
//! could be a pointer into a live object is followed, then every word of that object. What is never come to is lost. It
//! is a guess to one side: a number that looks like a pointer keeps an object from being found.

use core::ops::Range;

use heaps::PAGE_SIZE;

use super::region::Region;
use super::{REGION, Reach, Record};
use crate::arch::mmu;
use crate::modules::places;

const WORD: usize = size_of::<usize>();

/// Looks, from the statics and `stacks` on, while no other CPU runs: how many objects are lost. Interrupts are masked.
pub fn scan(stacks: &mut dyn Iterator<Item = Range<usize>>) -> usize {
    let mut search = Search { region: &mut REGION.lock(), last: 0 };
    search.begin();
    search.look_in(mmu::statics());
    places::each(&mut |module| search.look_in(module));
    stacks.for_each(|stack| search.look_in(stack));
    search.end()
}

/// Forgets which objects were lost: they are not told of again.
pub fn ignore() {
    REGION.lock().each_live(&mut |_, record| {
        if record.reach == Reach::Lost {
            record.reach = Reach::Ignored;
        }
    });
}

/// Calls `f` with the address and the record of each object that was lost at the last look and still lives, under the
/// heap's lock: `f` neither allocates nor prints.
pub fn each_lost(f: &mut dyn FnMut(usize, &Record)) {
    let mut region = REGION.lock();
    let first = region.object(0).addr();
    region.each_live(&mut |at, record| {
        if record.reach == Reach::Lost {
            f(first + at as usize * super::region::UNIT, record);
        }
    });
}

/// One look.
struct Search<'a> {
    region: &'a mut Region,
    /// The object that was come to last, of those that were not looked into; each record leads to the one before. 0
    /// ends them: where that would be, the bitmap is.
    last: u32,
}

impl Search<'_> {
    /// Nothing is come to yet, but for what nobody wants to hear of.
    fn begin(&mut self) {
        let last = &mut self.last;
        self.region.each_live(&mut |at, record| match record.reach {
            Reach::Ignored => record.next = core::mem::replace(last, at),
            _ => record.reach = Reach::Unknown,
        });
        self.follow();
    }

    /// What was not come to is lost: how many, the nodes of the kernel's own books not among them.
    fn end(&mut self) -> usize {
        let mut lost = 0;
        self.region.each_live(&mut |_, record| {
            if record.reach == Reach::Unknown && !record.bookkeeping {
                record.reach = Reach::Lost;
                lost += 1;
            }
        });
        lost
    }

    /// Looks at memory that is mapped where it is there at all, page by page.
    fn look_in(&mut self, memory: Range<usize>) {
        let mut at = memory.start.next_multiple_of(WORD);
        while at < memory.end {
            let end = (at + 1).next_multiple_of(PAGE_SIZE).min(memory.end);
            if mmu::reaches(at, false) {
                self.look_at(at..end);
            }
            at = end;
        }
        self.follow();
    }

    /// Looks at the whole words of what can be read.
    fn look_at(&mut self, memory: Range<usize>) {
        for at in (memory.start..memory.end - memory.end % WORD).step_by(WORD) {
            // SAFETY: the word is aligned, mapped, and changed by nobody, for no other CPU runs; those of objects are
            // within what their owners asked for, and read unchecked.
            let word = unsafe { (at as *const usize).read_volatile() };
            self.come_to(word);
        }
    }

    fn come_to(&mut self, word: usize) {
        let Some(at) = self.region.pointed_at(word) else { return };
        let record = self.region.at(at);
        if record.reach == Reach::Unknown {
            record.reach = Reach::Found;
            record.next = core::mem::replace(&mut self.last, at);
        }
    }

    /// Looks into all that was come to, until nothing is left.
    fn follow(&mut self) {
        while self.last != 0 {
            let at = self.last;
            let start = self.region.object(at).addr();
            let record = self.region.at(at);
            self.last = record.next;
            let len = record.size as usize;
            self.look_at(start..start + len);
        }
    }
}
