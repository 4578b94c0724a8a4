//! Where a queue in memory is written and read next (Arm IHI 0070, 3.5.1): a number of an entry, and above it a bit that
//! changes each time round, which tells a full queue from an empty one.
#![forbid(unsafe_code)]

/// A place in a queue of `1 << bits` entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    raw: u32,
    bits: u32,
}

impl Place {
    /// The first entry's.
    pub fn first(bits: u32) -> Place {
        Place { raw: 0, bits }
    }

    /// The place that a register of the same queue says.
    pub fn at(self, register: u32) -> Place {
        Place { raw: register & ((2 << self.bits) - 1), ..self }
    }

    /// As a register has it.
    pub fn register(self) -> u32 {
        self.raw
    }

    /// The entry's number.
    pub fn index(self) -> usize {
        (self.raw & ((1 << self.bits) - 1)) as usize
    }

    /// The place after it.
    pub fn next(self) -> Place {
        self.at(self.raw + 1)
    }

    /// Whether a queue that is read here and written at `written` next is full.
    pub fn is_full(self, written: Place) -> bool {
        self.raw ^ written.raw == 1 << self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_is_not_an_empty_one() {
        let read = Place::first(2);
        let mut written = read;
        for index in [0, 1, 2, 3] {
            assert!(written.index() == index && !read.is_full(written));
            written = written.next();
        }
        assert!(read.is_full(written) && read != written);
        assert_eq!((written.index(), written.register()), (0, 4));
        let wrapped = (0..4).fold(written, |place, _| place.next());
        assert_eq!(wrapped, read);
        assert_eq!(read.at(0x8000_0005).register(), 5, "a register may have other bits");
    }
}
