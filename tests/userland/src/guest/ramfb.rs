//! `/dev/ramfb`: a display that scans a dma-buf out.

use crate::rt::{Fd, abi, file};
use heaps::uapi::errno::Result;
use heaps::uapi::ramfb::{Picture, RAMFB_BLANK, RAMFB_SHOW, XRGB8888};

/// A picture in the buffer behind `fd`, from its start, line after line.
pub fn picture(fd: i32, width: u32, height: u32) -> Picture {
    Picture { fd, fourcc: XRGB8888, width, height, stride: 4 * width, offset: 0 }
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
        file::ioctl(self.0.raw(), RAMFB_SHOW, &mut picture).map(drop)
    }

    /// Shows it no more.
    pub fn blank(&self) -> Result<()> {
        file::ioctl(self.0.raw(), RAMFB_BLANK, &mut [0u8; 0]).map(drop)
    }
}

/// The picture that is looked at: how wide and high it is.
pub const TEST_SIZE: (u32, u32) = (320, 200);

/// A pixel of it, as `00RRGGBB`; no two neighbours are alike.
pub const fn test_pixel(x: u32, y: u32) -> u32 {
    (x & 0xff) << 16 | (y & 0xff) << 8 | (x ^ y) & 0x7f | (x >> 8) << 7
}
