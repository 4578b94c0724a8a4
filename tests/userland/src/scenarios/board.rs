//! Pages that the racers of a round share with the process that set them off: the start line, and what they wrote down.

use crate::rt::{Mapping, abi};
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::errno::Result;

/// How many have come to the start line.
const COME: usize = 0;
/// Whether they may start.
const STARTED: usize = 8;
/// How many lines were written.
const LINES: usize = 16;
/// Where the first line is.
const FIRST: usize = 64;
/// Bytes of a line's place: a byte for its length, then the line. What is longer is cut.
const PLACE: usize = 128;
/// Places for lines; later ones are lost.
const PLACES: usize = 256;

/// The pages.
pub struct Board(Mapping);

impl Board {
    /// Empty pages, in memory already.
    pub fn new() -> Result<Board> {
        let length = (FIRST + PLACE * PLACES).next_multiple_of(abi::PAGE);
        let pages = Mapping::new(length, abi::PROT_RW, abi::MAP_SHARED | abi::MAP_ANONYMOUS, -1, 0)?;
        pages.touch();
        Ok(Board(pages))
    }

    /// As new, for the next round.
    pub fn clear(&self) {
        let lines = (self.0.word(LINES) as usize).min(PLACES);
        (0..lines).for_each(|line| self.0.put(FIRST + line * PLACE, 0));
        [COME, STARTED, LINES].into_iter().for_each(|word| self.0.put_word(word, 0));
    }

    /// Has come to the start line; the last of `all` has everybody start.
    pub fn come(&self, all: u64) {
        if self.0.add_word(COME, 1) + 1 >= all {
            self.start();
        }
    }

    /// Has everybody start.
    pub fn start(&self) {
        self.0.put_word(STARTED, 1);
    }

    /// Whether they may.
    pub fn is_started(&self) -> bool {
        self.0.word(STARTED) == 1
    }

    /// Writes a line down. Lines have the order in which they were begun.
    pub fn write(&self, line: &[u8]) {
        let at = self.0.add_word(LINES, 1) as usize;
        if at < PLACES {
            let place = FIRST + at * PLACE;
            let length = line.len().min(PLACE - 1);
            (1..).zip(&line[..length]).for_each(|(offset, byte)| self.0.put(place + offset, *byte));
            self.0.put(place, length as u8);
        }
    }

    /// All that was written, a cut line with its end.
    pub fn text(&self) -> String {
        let lines = (self.0.word(LINES) as usize).min(PLACES);
        let mut bytes = Vec::new();
        for place in (0..lines).map(|line| FIRST + line * PLACE) {
            let length = usize::from(self.0.get(place));
            bytes.extend((1..=length).map(|offset| self.0.get(place + offset)));
            if length > 0 && bytes.last() != Some(&b'\n') {
                bytes.push(b'\n');
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
