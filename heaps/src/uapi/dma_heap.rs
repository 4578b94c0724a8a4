//! What a heap's file understands (`linux/dma-heap.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::fcntl::{O_ACCMODE, O_CLOEXEC};
use super::ioctl::{Command, READ, WRITE};

/// Where heaps' nodes are, with the final slash.
pub const DEV_DIR: &str = "/dev/dma_heap/";

/// The ioctl type of heaps.
pub const KIND: u8 = b'H';

/// Allocates a buffer: reads and writes [`AllocationData`].
pub const DMA_HEAP_IOCTL_ALLOC: Command = Command::new(READ | WRITE, KIND, 0, size_of::<AllocationData>());

/// The descriptor flags an allocation may ask for.
pub const VALID_FD_FLAGS: u32 = O_CLOEXEC | O_ACCMODE;

/// The heap flags an allocation may ask for: none is defined yet.
pub const VALID_HEAP_FLAGS: u64 = 0;

/// The argument of [`DMA_HEAP_IOCTL_ALLOC`] (`struct dma_heap_allocation_data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AllocationData {
    /// In: bytes wanted, rounded up to whole pages.
    pub len: u64,
    /// In: zero. Out: the buffer's descriptor.
    pub fd: u32,
    /// In: of [`VALID_FD_FLAGS`].
    pub fd_flags: u32,
    /// In: of [`VALID_HEAP_FLAGS`].
    pub heap_flags: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_layout_is_linux_s() {
        assert_eq!(DMA_HEAP_IOCTL_ALLOC.raw(), linux::DMA_HEAP_IOCTL_ALLOC as u32);
        assert_eq!(DMA_HEAP_IOCTL_ALLOC.raw(), 0xC018_4800);
        assert_eq!(
            (
                offset_of!(AllocationData, fd),
                offset_of!(AllocationData, fd_flags),
                offset_of!(AllocationData, heap_flags)
            ),
            (8, 12, 16)
        );
        assert_eq!(VALID_FD_FLAGS, 0o2000003);
    }
}
