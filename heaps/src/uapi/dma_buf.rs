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
pub const DMA_BUF_IOCTL_EXPORT_SYNC_FILE: Command =
    Command::new(READ | WRITE, KIND, 2, size_of::<ExportSyncFile>());
/// Adds a sync file's fence to the buffer.
pub const DMA_BUF_IOCTL_IMPORT_SYNC_FILE: Command = Command::new(WRITE, KIND, 3, size_of::<ImportSyncFile>());

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

/// The argument of [`DMA_BUF_IOCTL_EXPORT_SYNC_FILE`] (`struct dma_buf_export_sync_file`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExportSyncFile {
    /// What the caller is about to do, of `DMA_BUF_SYNC_READ` and `DMA_BUF_SYNC_WRITE`.
    pub flags: u32,
    /// Out: the sync file's descriptor.
    pub fd: i32,
}

/// The argument of [`DMA_BUF_IOCTL_IMPORT_SYNC_FILE`] (`struct dma_buf_import_sync_file`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ImportSyncFile {
    /// What the fence's work does, of `DMA_BUF_SYNC_READ` and `DMA_BUF_SYNC_WRITE`.
    pub flags: u32,
    /// The sync file's descriptor.
    pub fd: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(DMA_BUF_IOCTL_SYNC.raw(), linux::DMA_BUF_IOCTL_SYNC);
        assert_eq!(DMA_BUF_SET_NAME_A.raw(), linux::DMA_BUF_SET_NAME_A);
        assert_eq!(DMA_BUF_SET_NAME_B.raw(), linux::DMA_BUF_SET_NAME_B);
        assert_eq!(DMA_BUF_IOCTL_EXPORT_SYNC_FILE.raw(), 0xC008_6202);
        assert_eq!(DMA_BUF_IOCTL_IMPORT_SYNC_FILE.raw(), 0x4008_6203);
        assert_eq!(DMA_BUF_IOCTL_SYNC.raw(), 0x4008_6200);
        assert_eq!(DMA_BUF_SYNC_VALID_FLAGS_MASK, 7);
    }
}
