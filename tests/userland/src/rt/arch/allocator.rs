//! The programs' memory: powers of two from free lists, larger pieces straight from mmap.
//!
//! Freed small pieces go back on their list, never to the kernel.

use super::call;
use super::lock::Lock;
use crate::rt::abi::{self, nr};
use core::alloc::{GlobalAlloc, Layout};

/// Smallest piece, in bytes; holds the link of a free list and keeps 16-byte alignment.
const SMALLEST: usize = 16;
/// Classes of 16, 32, ... 32768 bytes.
const CLASSES: usize = 12;
/// Bytes asked of the kernel at a time.
const CHUNK: usize = 64 * 1024;

/// The allocator of every program.
pub struct Allocator(Lock<Lists>);

struct Lists {
    /// Head of each class's list of free pieces; a piece's first word is the next one's address.
    free: [usize; CLASSES],
    /// The rest of the last chunk.
    rest: core::ops::Range<usize>,
}

impl Allocator {
    /// An empty one.
    pub const fn new() -> Allocator {
        Allocator(Lock::new(Lists { free: [0; CLASSES], rest: 0..0 }))
    }
}

impl Default for Allocator {
    fn default() -> Allocator {
        Allocator::new()
    }
}

/// The class that holds `layout`, or `None` where it needs pages of its own.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(SMALLEST).next_power_of_two();
    let class = (size / SMALLEST).ilog2() as usize;
    (class < CLASSES).then_some(class)
}

fn map(length: usize) -> Option<usize> {
    let flags = abi::MAP_PRIVATE | abi::MAP_ANONYMOUS;
    // SAFETY: fresh pages, where nothing is.
    unsafe { call(nr::MMAP, [0, length, abi::PROT_RW, flags, usize::MAX, 0]) }.ok()
}

impl Lists {
    fn take(&mut self, class: usize) -> Option<usize> {
        let head = self.free[class];
        if head != 0 {
            // SAFETY: a free piece holds its successor, and is nobody else's.
            self.free[class] = unsafe { *(head as *const usize) };
            return Some(head);
        }
        let size = SMALLEST << class;
        // A chunk starts at a page; cutting a piece aligned to its size may skip some of it.
        let at = self.rest.start.next_multiple_of(size);
        if at + size <= self.rest.end {
            self.rest.start = at + size;
            return Some(at);
        }
        let chunk = map(CHUNK)?;
        let at = chunk.next_multiple_of(size);
        self.rest = at + size..chunk + CHUNK;
        Some(at)
    }
}

// SAFETY: pieces are disjoint, at least as large and as aligned as asked (a class is a power of two no less
// than either), and stay valid until given back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let got = match class_of(layout) {
            Some(class) => self.0.lock().take(class),
            None if layout.align() <= abi::PAGE => map(layout.size()),
            None => None,
        };
        got.unwrap_or(0) as *mut u8
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match class_of(layout) {
            Some(class) => {
                let mut lists = self.0.lock();
                // SAFETY: the piece is ours again, and no smaller than a word.
                unsafe { *(piece as *mut usize) = lists.free[class] };
                lists.free[class] = piece as usize;
            }
            None => {
                // SAFETY: the pages were mapped by `alloc` with the same layout, and are ours again.
                let _ = unsafe { call(nr::MUNMAP, [piece as usize, layout.size(), 0, 0, 0, 0]) };
            }
        }
    }
}

#[cfg(target_os = "none")]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_size_and_alignment() {
        let class = |size, align| class_of(Layout::from_size_align(size, align).unwrap());
        assert_eq!(class(1, 1), Some(0));
        assert_eq!(class(17, 8), Some(1));
        assert_eq!(class(8, 64), Some(2));
        assert_eq!(class(32768, 8), Some(11));
        assert_eq!(class(32769, 8), None);
    }
}
