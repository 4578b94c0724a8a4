//! Device numbers.

/// A device number: 12 bits of major, 20 bits of minor (Linux: `dev_t`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DevT(u32);

const MINOR_BITS: u32 = 20;

impl DevT {
    /// The number for a major below 4096 and a minor below 2^20; higher bits are cut off.
    pub const fn new(major: u32, minor: u32) -> DevT {
        DevT(major << MINOR_BITS | minor & ((1 << MINOR_BITS) - 1))
    }

    /// Which driver.
    pub const fn major(self) -> u32 {
        self.0 >> MINOR_BITS
    }

    /// Which of its devices.
    pub const fn minor(self) -> u32 {
        self.0 & ((1 << MINOR_BITS) - 1)
    }

    /// As `stat` and `mknod` carry it (Linux: `new_encode_dev`).
    pub const fn encode(self) -> u32 {
        let (major, minor) = (self.major(), self.minor());
        minor & 0xff | major << 8 | (minor & !0xff) << 12
    }

    /// From what `stat` and `mknod` carry.
    pub const fn decode(encoded: u32) -> DevT {
        DevT::new(encoded >> 8 & 0xfff, encoded & 0xff | encoded >> 12 & 0xfff00)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_user_space() {
        for devt in [DevT::new(1, 3), DevT::new(4095, (1 << 20) - 1), DevT::new(252, 256)] {
            assert_eq!(DevT::decode(devt.encode()), devt);
        }
        assert_eq!(DevT::new(1, 3).encode(), 0x103);
        assert_eq!(DevT::new(252, 256).encode(), 0x10_fc00);
    }
}
