//! What a dma-buf's file understands (`linux/dma-buf.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, READ, WRITE};

/// The ioctl type of dma-bufs.
pub const KIND: u8 = b'b';

/// Begins or ends CPU access: reads [`Sync`].
pub const DMA_BUF_IOCTL_SYNC: Command = Command::new(WRITE, KIND, 0, size_of::<Sync>());
/// Names the buffer; the argument is a string. This form's size is a 32-bit program's pointer.
pub const DMA_BUF_SET_NAME_A: Command = Command::new(WRITE, KIND, 1, 4);
/// Names the buffer; the argument is a string. This form's size is a 64-bit program's pointer.
pub const DMA_BUF_SET_NAME_B: Command = Command::new(WRITE, KIND, 1, 8);
/// Turns the buffer's fences into a sync file.
pub const DMA_BUF_IOCTL_EXPORT_SYNC_FILE: Command = Command::new(READ | WRITE, KIND, 2, 8);
/// Adds a sync file's fence to the buffer.
pub const DMA_BUF_IOCTL_IMPORT_SYNC_FILE: Command = Command::new(WRITE, KIND, 3, 8);

/// The longest name in bytes, the final NUL included.
pub const DMA_BUF_NAME_LEN: usize = 32;

/// CPU access reads.
pub const DMA_BUF_SYNC_READ: u64 = 1;
/// CPU access writes.
pub const DMA_BUF_SYNC_WRITE: u64 = 2;
/// CPU access does both.
pub const DMA_BUF_SYNC_RW: u64 = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE;
/// CPU access ends, rather than begins.
pub const DMA_BUF_SYNC_END: u64 = 4;
/// Every flag of [`DMA_BUF_IOCTL_SYNC`].
pub const DMA_BUF_SYNC_VALID_FLAGS_MASK: u64 = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;

/// The argument of [`DMA_BUF_IOCTL_SYNC`] (`struct dma_buf_sync`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Sync {
    /// Of `DMA_BUF_SYNC_*`.
    pub flags: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(DMA_BUF_IOCTL_SYNC.raw(), linux::DMA_BUF_IOCTL_SYNC as u32);
        assert_eq!(DMA_BUF_SET_NAME_A.raw(), linux::DMA_BUF_SET_NAME_A as u32);
        assert_eq!(DMA_BUF_SET_NAME_B.raw(), linux::DMA_BUF_SET_NAME_B as u32);
        assert_eq!(DMA_BUF_IOCTL_EXPORT_SYNC_FILE.raw(), linux::DMA_BUF_IOCTL_EXPORT_SYNC_FILE as u32);
        assert_eq!(DMA_BUF_IOCTL_IMPORT_SYNC_FILE.raw(), linux::DMA_BUF_IOCTL_IMPORT_SYNC_FILE as u32);
        assert_eq!(DMA_BUF_IOCTL_SYNC.raw(), 0x4008_6200);
        assert_eq!(DMA_BUF_SYNC_VALID_FLAGS_MASK, 7);
    }
}
