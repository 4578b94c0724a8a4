//! How an ioctl command packs direction, size, type and number (`asm-generic/ioctl.h`).

/// Nothing is copied.
pub const NONE: u32 = 0;
/// User space writes, the kernel reads.
pub const WRITE: u32 = 1;
/// The kernel writes, user space reads.
pub const READ: u32 = 2;

/// An ioctl command. Any 32-bit value is one; what it means is up to the file it is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command(u32);

impl Command {
    /// The command for `dir` (of [`NONE`], [`WRITE`], [`READ`]), a type, a number and the argument's size in
    /// bytes, below 16 KiB.
    pub const fn new(dir: u32, kind: u8, nr: u8, size: usize) -> Command {
        assert!(dir < 4 && size < 1 << 14);
        Command(dir << 30 | (size as u32) << 16 | (kind as u32) << 8 | nr as u32)
    }

    /// The command that user space sent.
    pub const fn from_raw(raw: u32) -> Command {
        Command(raw)
    }

    /// As sent by user space.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Which way the argument is copied: a union of [`WRITE`] and [`READ`].
    pub const fn dir(self) -> u32 {
        self.0 >> 30
    }

    /// The argument's size in bytes, as the caller was compiled to believe.
    pub const fn size(self) -> usize {
        (self.0 >> 16 & 0x3fff) as usize
    }

    /// The type: a letter for each driver.
    pub const fn kind(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The number within the type.
    pub const fn nr(self) -> u8 {
        self.0 as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_back_its_parts() {
        let c = Command::new(READ | WRITE, b'H', 3, 24);
        assert_eq!((c.dir(), c.kind(), c.nr(), c.size()), (READ | WRITE, b'H', 3, 24));
        assert_eq!(Command::from_raw(c.raw()), c);
    }
}
