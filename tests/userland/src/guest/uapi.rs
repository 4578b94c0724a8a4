//! The heaps' and buffers' ioctls (`linux/dma-heap.h`, `linux/dma-buf.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of [`DMA_HEAP_IOCTL_ALLOC`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct HeapAllocation {
    /// Length in bytes.
    pub len: u64,
    /// Out: the buffer's descriptor; zero going in.
    pub fd: u32,
    /// `O_CLOEXEC` and access mode.
    pub fd_flags: u32,
    /// Zero.
    pub heap_flags: u64,
}

/// Allocates a buffer.
pub const DMA_HEAP_IOCTL_ALLOC: u32 = 0xC018_4800;
/// Begins or ends CPU access.
pub const DMA_BUF_IOCTL_SYNC: u32 = 0x4008_6200;
/// Names a buffer; the 64-bit form of the number.
pub const DMA_BUF_SET_NAME_B: u32 = 0x4008_6201;
/// SYNC: for reading.
pub const DMA_BUF_SYNC_READ: u64 = 1;
/// SYNC: for writing.
pub const DMA_BUF_SYNC_WRITE: u64 = 2;
/// SYNC: access ends; without it, begins.
pub const DMA_BUF_SYNC_END: u64 = 4;
