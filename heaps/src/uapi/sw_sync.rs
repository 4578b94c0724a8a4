//! What `/sys/kernel/debug/sync/sw_sync` understands (Linux: `drivers/dma-buf/sw_sync.c`; there is no header for it).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, READ, WRITE};

/// The ioctl type of software timelines.
pub const KIND: u8 = b'W';

/// Makes a fence: reads and writes [`CreateFence`].
pub const SW_SYNC_IOC_CREATE_FENCE: Command = Command::new(READ | WRITE, KIND, 0, size_of::<CreateFence>());
/// Counts on by a `u32`.
pub const SW_SYNC_IOC_INC: Command = Command::new(WRITE, KIND, 1, 4);

/// The argument of [`SW_SYNC_IOC_CREATE_FENCE`] (`struct sw_sync_create_fence_data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CreateFence {
    /// What the count has to come to.
    pub value: u32,
    /// A name, which nobody looks at.
    pub name: [u8; 32],
    /// Out: the sync file's descriptor.
    pub fence: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(SW_SYNC_IOC_CREATE_FENCE.raw(), 0xC028_5700);
        assert_eq!(SW_SYNC_IOC_INC.raw(), 0x4004_5701);
    }
}
