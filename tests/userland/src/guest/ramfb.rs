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

/// A picture that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct TestPicture {
    /// Where it lies.
    pub heap: &'static str,
    /// Whether programs map the heap's buffers. Where they do not, another device draws.
    pub mapped: bool,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Whether its last pixel is another than it should be: for those who look.
    pub spoilt: bool,
}

impl TestPicture {
    /// All of a megabyte: the largest run that the system heap has. What a device draws takes a tenth of a second for
    /// every page, twice.
    const fn of(heap: &'static str, mapped: bool) -> TestPicture {
        let (width, height) = if mapped { (512, 512) } else { (128, 64) };
        TestPicture { heap, mapped, width, height, spoilt: false }
    }

    /// Its bytes.
    pub fn bytes(&self) -> usize {
        4 * self.width as usize * self.height as usize
    }

    /// What number `nth` of [`TEST_PICTURES`] should show at `x`, `y`, as `00RRGGBB`: no two neighbours are alike, and no
    /// two pictures have a pixel in common.
    pub const fn pixel(nth: usize, x: u32, y: u32) -> u32 {
        let plain =
            (x & 0xff) << 16 | (y & 0xff) << 8 | (x ^ y) & 0x3f | (x >> 8 & 1) << 6 | (y >> 8 & 1) << 7;
        plain ^ ((nth as u32 * 0x25_5b_93) & 0xff_ff_ff)
    }

    /// What it shows there.
    pub fn shown(&self, nth: usize, x: u32, y: u32) -> u32 {
        let last = (x, y) == (self.width - 1, self.height - 1);
        TestPicture::pixel(nth, x, y) ^ u32::from(self.spoilt && last)
    }
}

/// The pictures, one of every heap that a machine with regions `camera`, `vision` and, protected, `secret` has; and one that
/// is not as it should be.
pub const TEST_PICTURES: [TestPicture; 6] = [
    TestPicture::of("system", true),
    TestPicture::of("default_cma_region", true),
    TestPicture::of("camera", true),
    TestPicture::of("vision", true),
    TestPicture::of("secret", false),
    TestPicture { spoilt: true, ..TestPicture::of("system", true) },
];
