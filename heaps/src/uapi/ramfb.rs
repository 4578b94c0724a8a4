//! What `/dev/ramfb` understands, a display that scans a dma-buf out. Linux has no such node.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, NONE, WRITE};

/// The ioctl type of `/dev/ramfb`.
pub const KIND: u8 = b'f';

/// Scans a buffer out: a [`Picture`].
pub const RAMFB_SHOW: Command = Command::new(WRITE, KIND, 0, size_of::<Picture>());
/// Scans nothing out any more, if this open file's picture is shown.
pub const RAMFB_BLANK: Command = Command::new(NONE, KIND, 1, 0);

/// A picture in a dma-buf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Picture {
    /// The dma-buf's descriptor.
    pub fd: i32,
    /// How a pixel is made up: [`XRGB8888`].
    pub fourcc: u32,
    /// Pixels in a line, [`LEAST`] to [`MOST`].
    pub width: u32,
    /// Lines, [`LEAST`] to [`MOST`].
    pub height: u32,
    /// Bytes from one line to the next, at least 4 a pixel.
    pub stride: u32,
    /// Bytes into the buffer; a multiple of 4.
    pub offset: u32,
}

/// Four bytes a pixel: blue, green, red, and one that means nothing (`DRM_FORMAT_XRGB8888`).
pub const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

/// The least width and height.
pub const LEAST: u32 = 16;
/// The greatest.
pub const MOST: u32 = 4096;
