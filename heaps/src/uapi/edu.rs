//! What `/dev/edu` understands, QEMU's PCI device with DMA of its own. Linux has no such node. All numbers are
//! little-endian, all structures without padding.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, READ, WRITE};

/// The ioctl type of `/dev/edu`.
pub const KIND: u8 = b'e';

/// What the device is: fills in an [`Info`].
pub const EDU_INFO: Command = Command::new(READ, KIND, 0, size_of::<Info>());
/// Has the device compute a factorial, modulo 2^32: the number in, its factorial out.
pub const EDU_FACTORIAL: Command = Command::new(READ | WRITE, KIND, 1, size_of::<u32>());
/// Imports a dma-buf: an [`Import`], whose handle is filled in.
pub const EDU_IMPORT: Command = Command::new(READ | WRITE, KIND, 2, size_of::<Import>());
/// Lets an import go, by its handle.
pub const EDU_FORGET: Command = Command::new(WRITE, KIND, 3, size_of::<u32>());
/// Moves bytes between an import and the device's own memory: a [`Transfer`].
pub const EDU_TRANSFER: Command = Command::new(WRITE, KIND, 4, size_of::<Transfer>());

/// Says where the device finds an import: a [`Place`], filled in but for the handle.
pub const EDU_PLACE: Command = Command::new(READ | WRITE, KIND, 5, size_of::<Place>());
/// Like [`EDU_TRANSFER`], but returns at once: a [`Submit`]. The buffer's other users wait for the transfer, and it for what
/// they had asked for before.
pub const EDU_SUBMIT: Command = Command::new(READ | WRITE, KIND, 6, size_of::<Submit>());

/// See [`EDU_INFO`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Info {
    /// The identification register: the version in the upper half, `ed` below.
    pub id: u32,
    /// The interrupt line's number at the interrupt controller.
    pub interrupt: u32,
    /// The last address of memory that the device reaches.
    pub last_address: u64,
    /// Bytes of the device's own memory.
    pub memory: u64,
}

/// See [`EDU_IMPORT`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Import {
    /// The dma-buf's descriptor.
    pub fd: i32,
    /// What [`EDU_TRANSFER`] calls it from here on, for this open file.
    pub handle: u32,
}

/// See [`EDU_TRANSFER`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Transfer {
    /// Which import.
    pub handle: u32,
    /// [`TO_DEVICE`] or [`FROM_DEVICE`].
    pub direction: u32,
    /// Bytes into the import.
    pub offset: u64,
    /// Bytes into the device's memory.
    pub at: u32,
    /// How many bytes.
    pub len: u32,
}

/// See [`EDU_PLACE`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    /// Which import.
    pub handle: u32,
    /// How many runs of addresses it is in for the device.
    pub runs: u32,
    /// Where the first one starts.
    pub address: u64,
}

/// See [`EDU_SUBMIT`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Submit {
    /// What to do.
    pub transfer: Transfer,
    /// [`SUBMIT_IN_FENCE`], [`SUBMIT_OUT_FENCE`].
    pub flags: u32,
    /// A sync file: the transfer waits for its fence, too.
    pub in_fence: i32,
    /// A sync file that is signalled when the transfer is done, with the error it ended with; filled in.
    pub out_fence: i32,
    /// 0.
    pub pad: u32,
}

/// `in_fence` means something.
pub const SUBMIT_IN_FENCE: u32 = 1;
/// `out_fence` is asked for.
pub const SUBMIT_OUT_FENCE: u32 = 2;

/// The device reads the buffer.
pub const TO_DEVICE: u32 = 0;
/// The device writes the buffer.
pub const FROM_DEVICE: u32 = 1;
