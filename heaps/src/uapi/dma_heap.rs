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

/// Asks what a heap's buffers are like: reads and writes [`Query`]. Linux has no such command; it answers `EINVAL`, as to
/// any number it does not know.
///
/// Extensible both ways, as `openat2` and its like are: the structure begins with its size as the caller knows it. Where
/// the kernel knows a shorter one, what the caller has beyond must be zero (`E2BIG`) and stays so; where the kernel
/// knows a longer one, the caller's is extended by zeroes, and written as far as it goes. `size` comes back as what the
/// kernel knows.
pub const DMA_HEAP_IOCTL_QUERY: Command = Command::new(READ | WRITE, KIND, 0x40, size_of::<Query>());

/// In [`Query::attributes`]: a buffer is one run of physical memory.
pub const HEAP_CONTIGUOUS: u64 = 1;
/// The CPU's accesses go through its caches.
pub const HEAP_CACHEABLE: u64 = 2;
/// User space may map buffers.
pub const HEAP_MAPPABLE: u64 = 4;
/// The CPU must not touch buffers.
pub const HEAP_PROTECTED: u64 = 8;
/// The device that was described can use every buffer.
pub const HEAP_SUITS: u64 = 16;

/// In [`Query::flags`]: the device may read protected memory.
pub const QUERY_PROTECTED: u32 = 1;

/// The argument of [`DMA_HEAP_IOCTL_QUERY`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Query {
    /// In: the structure's size in bytes, at least 8. Out: its size in this kernel.
    pub size: u32,
    /// In: of [`QUERY_PROTECTED`].
    pub flags: u32,
    /// In: the last address that the device can drive; 0 for any.
    pub dma_mask: u64,
    /// In: how many runs a transfer of the device can be of; 0 for any number.
    pub segments_max: u32,
    /// In: zero.
    pub reserved: u32,
    /// Out: of `HEAP_*`.
    pub attributes: u64,
    /// Out: the lowest physical address of a buffer.
    pub address_min: u64,
    /// Out: the last physical address of a buffer.
    pub address_max: u64,
    /// Out: bytes that the largest buffer could have, were all of the heap's memory free.
    pub size_max: u64,
    /// Out: what sizes are rounded up to, in bytes.
    pub size_align: u64,
}

/// The shortest [`Query`] there is: size and flags.
pub const QUERY_SIZE_MIN: usize = 8;

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
        assert_eq!(DMA_HEAP_IOCTL_ALLOC.raw(), linux::DMA_HEAP_IOCTL_ALLOC);
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
        assert_eq!(DMA_HEAP_IOCTL_QUERY.raw(), 0xC040_4840);
        assert_eq!((offset_of!(Query, attributes), offset_of!(Query, size_align)), (24, 56));
    }
}
