//! Records in a ring of bytes. It allocates nothing, for it is written in any context.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;

/// The longest message that is kept, in bytes (Linux: `LOG_LINE_MAX`).
pub const TEXT_MAX: usize = 976;
/// A record's length, priority and time, before its text.
const HEADER: usize = 2 + 2 + 8;

/// What is known of a message besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Facility and severity, as syslog(3) has them.
    pub priority: u16,
    /// When, in nanoseconds since boot.
    pub ns: u64,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number, counted from boot.
    pub seq: u64,
    /// What is known of it.
    pub header: Header,
    /// Its text, in one line or several.
    pub text: ArrayVec<u8, TEXT_MAX>,
}

/// A reader's place: the record it reads next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    seq: u64,
    at: u64,
}

impl Cursor {
    /// Before the first record of all.
    pub const START: Cursor = Cursor { seq: 0, at: 0 };

    /// The number of the record it is at.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

/// `SIZE` bytes of records. Offsets count the bytes ever written; a byte's place is its offset modulo `SIZE`.
pub struct Ring<const SIZE: usize> {
    bytes: [u8; SIZE],
    first: Cursor,
    end: Cursor,
}

impl<const SIZE: usize> Ring<SIZE> {
    /// No records.
    pub const fn new() -> Ring<SIZE> {
        assert!(SIZE > HEADER + TEXT_MAX);
        Ring { bytes: [0; SIZE], first: Cursor::START, end: Cursor::START }
    }

    /// Appends a record of at most [`TEXT_MAX`] bytes, in place of the oldest ones where there is no room.
    pub fn push(&mut self, header: Header, text: &[u8]) {
        let len = (HEADER + text.len()) as u64;
        while self.end.at + len - self.first.at > SIZE as u64 {
            self.first = self.after(self.first);
        }
        let mut at = self.end.at;
        let (length, priority) = ((text.len() as u16).to_le_bytes(), header.priority.to_le_bytes());
        for part in [&length[..], &priority, &header.ns.to_le_bytes(), text] {
            self.put(at, part);
            at += part.len() as u64;
        }
        self.end = Cursor { seq: self.end.seq + 1, at };
    }

    /// Before the oldest record.
    pub fn first(&self) -> Cursor {
        self.first
    }

    /// Behind the newest.
    pub fn end(&self) -> Cursor {
        self.end
    }

    /// Whether there is a record at or after `cursor`.
    pub fn has(&self, cursor: &Cursor) -> bool {
        cursor.seq < self.end.seq
    }

    /// Whether the record at `cursor` is gone.
    pub fn is_lost(&self, cursor: &Cursor) -> bool {
        cursor.seq < self.first.seq
    }

    /// The record at `cursor`, or the oldest there is after it; `cursor` moves past it.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Record> {
        if self.is_lost(cursor) {
            *cursor = self.first;
        }
        if !self.has(cursor) {
            return None;
        }
        let Cursor { seq, at } = *cursor;
        let header = Header { priority: self.number::<2>(at + 2) as u16, ns: self.number::<8>(at + 4) };
        let mut text = ArrayVec::new();
        let start = at + HEADER as u64;
        text.extend((start..start + self.number::<2>(at)).take(TEXT_MAX).map(|at| self.byte(at)));
        *cursor = self.after(*cursor);
        Some(Record { seq, header, text })
    }

    fn after(&self, Cursor { seq, at }: Cursor) -> Cursor {
        Cursor { seq: seq + 1, at: at + HEADER as u64 + self.number::<2>(at) }
    }

    fn put(&mut self, at: u64, part: &[u8]) {
        let start = (at % SIZE as u64) as usize;
        let (now, wrapped) = part.split_at(part.len().min(SIZE - start));
        self.bytes[start..start + now.len()].copy_from_slice(now);
        self.bytes[..wrapped.len()].copy_from_slice(wrapped);
    }

    fn byte(&self, at: u64) -> u8 {
        self.bytes[(at % SIZE as u64) as usize]
    }

    fn number<const BYTES: u64>(&self, at: u64) -> u64 {
        (0..BYTES).rev().fold(0, |number, i| number << 8 | u64::from(self.byte(at + i)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(n: u64, len: usize) -> std::vec::Vec<u8> {
        (0..len).map(|i| (n as usize * 7 + i) as u8).collect()
    }

    #[test]
    fn a_reader_gets_what_was_written_and_then_nothing() {
        let mut ring = Ring::<2048>::new();
        let mut cursor = ring.first();
        assert_eq!(ring.next(&mut cursor), None);
        ring.push(Header { priority: 6, ns: 1 << 40 }, b"hello");
        let record = ring.next(&mut cursor).unwrap();
        assert_eq!((record.seq, record.header.priority, record.header.ns), (0, 6, 1 << 40));
        assert_eq!(&record.text[..], b"hello");
        assert_eq!((ring.next(&mut cursor), cursor), (None, ring.end()));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_newest_and_whole(lens in proptest::collection::vec(0usize..=TEXT_MAX, 1..60)) {
            let mut ring = Ring::<2048>::new();
            let mut slow = ring.first();
            for (n, &len) in lens.iter().enumerate() {
                ring.push(Header { priority: n as u16, ns: n as u64 }, &text(n as u64, len));
            }
            let lost = ring.is_lost(&slow);
            let records: std::vec::Vec<Record> = core::iter::from_fn(|| ring.next(&mut slow)).collect();
            prop_assert_eq!(lost, records.len() < lens.len());
            prop_assert_eq!(records.last().unwrap().seq, lens.len() as u64 - 1);
            let bytes: usize = records.iter().map(|r| HEADER + r.text.len()).sum();
            prop_assert!(bytes <= 2048 && (records.len() == lens.len() || bytes > 2048 - HEADER - TEXT_MAX));
            for (record, seq) in records.iter().zip(records[0].seq..) {
                prop_assert_eq!(record.seq, seq);
                prop_assert_eq!(record.header, Header { priority: seq as u16, ns: seq });
                prop_assert_eq!(&record.text[..], &text(seq, lens[seq as usize])[..]);
            }
        }
    }
}
