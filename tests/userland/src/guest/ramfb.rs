//! `/dev/ramfb`: a display that scans a dma-buf out.

use crate::rt::{Fd, abi, file};
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, NONE, WRITE};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Scans a buffer out.
pub const SHOW: Command = Command::new(WRITE, b'f', 0, size_of::<Picture>());
/// Scans nothing out any more.
pub const BLANK: Command = Command::new(NONE, b'f', 1, 0);

/// A picture in a buffer.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Picture {
    pub fd: i32,
    pub fourcc: u32,
    pub width: u32,
    pub height: u32,
    /// In bytes.
    pub stride: u32,
    /// In bytes.
    pub offset: u32,
}

impl Picture {
    /// A picture in the buffer behind `fd`, from its start, line after line.
    pub fn new(fd: i32, width: u32, height: u32) -> Picture {
        Picture { fd, fourcc: u32::from_le_bytes(*b"XR24"), width, height, stride: 4 * width, offset: 0 }
    }
}

/// An open display.
#[derive(Debug)]
pub struct Display(Fd);

impl Display {
    /// Opens it.
    pub fn open() -> Result<Display> {
        Fd::open("/dev/ramfb", abi::O_RDWR | abi::O_CLOEXEC).map(Display)
    }

    /// Shows a picture.
    pub fn show(&self, picture: Picture) -> Result<()> {
        let mut picture = picture;
        file::ioctl(self.0.raw(), SHOW, &mut picture).map(drop)
    }

    /// Shows it no more.
    pub fn blank(&self) -> Result<()> {
        file::ioctl(self.0.raw(), BLANK, &mut [0u8; 0]).map(drop)
    }
}

/// The picture that is looked at: how wide and high it is.
pub const TEST_SIZE: (u32, u32) = (320, 200);

/// A pixel of it, as `00RRGGBB`; no two neighbours are alike.
pub const fn test_pixel(x: u32, y: u32) -> u32 {
    (x & 0xff) << 16 | (y & 0xff) << 8 | (x ^ y) & 0x7f | (x >> 8) << 7
}
