//! Memory of a child's to make arguments of: pages to read and write, and everything next to them that pages may be.

use crate::rt::Mapping;
use crate::rt::abi::{self, PAGE};
use crate::rt::rng::Rng;
use heaps::uapi::errno::Result;

/// Pages by what they are, from the start: ordinary; read-only; inaccessible; ordinary; a hole; ordinary.
const PAGES: usize = 128;
const READ_ONLY: usize = 32;
const NO_ACCESS: usize = 33;
const HOLE: usize = 64;

/// The memory. What is in it may be gone, or somewhere else, after any call.
pub struct Arena {
    pages: Mapping,
}

impl Arena {
    /// Maps and fills it.
    pub fn new(rng: &mut Rng) -> Result<Arena> {
        let pages = Mapping::anonymous(PAGES * PAGE)?;
        for at in (0..READ_ONLY * PAGE).step_by(64) {
            pages.put_word(at, rng.next_u64());
        }
        pages.protect(READ_ONLY * PAGE, PAGE, abi::PROT_READ)?;
        pages.protect(NO_ACCESS * PAGE, PAGE, abi::PROT_NONE)?;
        pages.punch(HOLE * PAGE, PAGE)?;
        Ok(Arena { pages })
    }

    /// An address: mostly in ordinary pages, often just before what is none.
    pub fn memory(&self, rng: &mut Rng) -> usize {
        let start = self.pages.address();
        let edge = [READ_ONLY, NO_ACCESS, HOLE, PAGES][rng.below(4) as usize] * PAGE;
        match rng.below(16) {
            0 => start + edge,
            1 => start + edge - rng.below(64) as usize,
            2 => start + edge + PAGE - 8,
            3 => bad_pointer(rng),
            // The top byte is ignored.
            4 => (0x5a << 56) | start,
            _ => (start + rng.below((READ_ONLY * PAGE) as u64) as usize) & !7,
        }
    }

    /// A page's address: what may be mapped over, protected and unmapped, hardly ever what arguments are made in.
    pub fn page(&self, rng: &mut Rng) -> usize {
        let start = self.pages.address();
        match rng.below(64) {
            0 | 1 => bad_pointer(rng),
            2 => start + rng.below(1 << 17) as usize,
            3..8 => 0,
            _ => start + (NO_ACCESS + rng.below((PAGES - NO_ACCESS) as u64) as usize) * PAGE,
        }
    }

    /// Puts words down where the kernel will read them, all of them or only the first; returns where.
    pub fn place(&self, rng: &mut Rng, words: &[u64]) -> usize {
        let size = words.len() * 8;
        let at = match rng.below(8) {
            // The last one is on a page that cannot be written, or all but one are.
            0 => READ_ONLY * PAGE - 8,
            1 => READ_ONLY * PAGE - size,
            2 => (READ_ONLY * PAGE).saturating_sub(size + 8 - 8 * rng.below(words.len() as u64 + 1) as usize),
            _ => rng.below((READ_ONLY * PAGE - size) as u64) as usize & !7,
        };
        for (i, word) in words.iter().enumerate() {
            if at + i * 8 + 8 <= READ_ONLY * PAGE {
                self.pages.put_word(at + i * 8, *word);
            }
        }
        self.pages.address() + at
    }

    /// Puts a string down, its NUL with it, sometimes at the very end; returns where.
    pub fn text(&self, rng: &mut Rng, text: &str) -> usize {
        let size = text.len() + 1;
        let end = READ_ONLY * PAGE;
        let at = match rng.below(16) {
            // Without the NUL: what follows is read-only, and zero.
            0 => end - text.len(),
            1 => end - size,
            _ => rng.below((end - size) as u64) as usize,
        };
        for (i, byte) in text.bytes().chain([0]).enumerate().filter(|(i, _)| at + i < end) {
            self.pages.put(at + i, byte);
        }
        self.pages.address() + at
    }
}

/// An address that cannot be right, or hardly.
fn bad_pointer(rng: &mut Rng) -> usize {
    const BAD: [usize; 16] = [
        0,
        1,
        8,
        4095,
        4096,
        0xffff,
        (1 << 39) - 1,
        (1 << 47) - 4096,
        (1 << 48) - 8,
        1 << 48,
        1 << 55,
        0xffff_0000_0000_0000,
        0xffff_8000_0000_0000,
        usize::MAX - 4095,
        usize::MAX - 7,
        usize::MAX,
    ];
    BAD[rng.below(BAD.len() as u64) as usize]
}
