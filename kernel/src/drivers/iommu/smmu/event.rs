//! What the SMMU writes of an access that it did not let through (Arm IHI 0070, 7.3).
#![forbid(unsafe_code)]

use core::fmt;

/// Words of a record.
pub const EVENT_WORDS: usize = 4;

/// An access that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose.
    pub stream: u32,
    /// Why.
    pub kind: u8,
    /// Where to, and whether it was a write, if it came as far as to be translated.
    pub access: Option<(u64, bool)>,
}

impl Fault {
    /// Of a record in the event queue.
    pub fn of(record: [u64; EVENT_WORDS]) -> Fault {
        let kind = record[0] as u8;
        let reads = record[1] >> 35 & 1 == 1;
        let translated = matches!(kind, 0x10..=0x13);
        Fault { stream: (record[0] >> 32) as u32, kind, access: translated.then_some((record[2], !reads)) }
    }

    /// The address, where nothing is mapped at it.
    pub fn unmapped(&self) -> Option<u64> {
        self.access.filter(|_| self.kind == 0x10).map(|(address, _)| address)
    }

    /// Whether it is the same over again, as a transfer that goes on has it for each of its pieces.
    pub fn repeats(&self, before: &Fault) -> bool {
        let page = |fault: &Fault| fault.access.map(|(address, writes)| (address >> 12, writes));
        (self.stream, self.kind) == (before.stream, before.kind) && page(self) == page(before)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            0x02 => "there is no such stream",
            0x04 => "nothing is set up for it",
            0x10 => "nothing is mapped there",
            0x11 => "the address is too long",
            0x12 => "the page is not accessed",
            0x13 => "the page is not for that",
            _ => return write!(f, "event {:#x}", self.kind),
        };
        match self.access {
            Some((address, true)) => write!(f, "write to {address:#x}: {why}"),
            Some((address, false)) => write!(f, "read from {address:#x}: {why}"),
            None => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_the_architecture_has_them() {
        let fault = Fault::of([0x8_0000_0010, 0, 0x1_0000_1008, 0]);
        assert_eq!(fault, Fault { stream: 8, kind: 0x10, access: Some((0x1_0000_1008, true)) });
        assert_eq!(fault.to_string(), "write to 0x100001008: nothing is mapped there");
        let read = Fault::of([0x8_0000_0010, 1 << 35, 0x1_0000_1ff8, 0]);
        assert_eq!(read.to_string(), "read from 0x100001ff8: nothing is mapped there");
        let kept_off = Fault { kind: 0x13, ..fault };
        assert_eq!((fault.unmapped(), kept_off.unmapped()), (Some(0x1_0000_1008), None));
        assert!(!read.repeats(&fault) && fault.repeats(&Fault::of([0x8_0000_0010, 0, 0x1_0000_1ff8, 0])));
        assert!(!fault.repeats(&Fault::of([0x8_0000_0010, 0, 0x1_0000_2000, 0])));
        assert!(!fault.repeats(&Fault::of([0x9_0000_0010, 0, 0x1_0000_1008, 0])));
        assert_eq!(Fault::of([0x123_0000_0002, 0, 5, 0]).to_string(), "there is no such stream");
        assert_eq!(Fault::of([0x21, 0, 5, 0]).to_string(), "event 0x21");
    }
}
