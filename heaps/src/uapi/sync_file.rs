//! What a sync file understands (`linux/sync_file.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, READ, WRITE};

/// The ioctl type of sync files.
pub const KIND: u8 = b'>';

/// Makes a sync file of two: reads and writes [`Merge`].
pub const SYNC_IOC_MERGE: Command = Command::new(READ | WRITE, KIND, 3, size_of::<Merge>());
/// Says what a sync file consists of: reads and writes [`FileInfo`].
pub const SYNC_IOC_FILE_INFO: Command = Command::new(READ | WRITE, KIND, 4, size_of::<FileInfo>());

/// The length of every name in bytes, its NUL included.
pub const NAME_LEN: usize = 32;

/// The argument of [`SYNC_IOC_MERGE`] (`struct sync_merge_data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Merge {
    /// The name of the new file.
    pub name: [u8; NAME_LEN],
    /// The other file's descriptor.
    pub fd2: i32,
    /// Out: the new file's descriptor.
    pub fence: i32,
    /// Must be 0.
    pub flags: u32,
    /// Must be 0.
    pub pad: u32,
}

/// One fence of a file (`struct sync_fence_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FenceInfo {
    /// Its timeline.
    pub obj_name: [u8; NAME_LEN],
    /// Its driver.
    pub driver_name: [u8; NAME_LEN],
    /// 0 not signalled, 1 signalled, below 0 an error.
    pub status: i32,
    /// 0.
    pub flags: u32,
    /// When it was signalled, in nanoseconds of the monotonic clock; 0 before.
    pub timestamp_ns: u64,
}

/// The argument of [`SYNC_IOC_FILE_INFO`] (`struct sync_file_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FileInfo {
    /// Out: its name.
    pub name: [u8; NAME_LEN],
    /// Out: 0 not signalled, 1 signalled, below 0 an error.
    pub status: i32,
    /// Must be 0.
    pub flags: u32,
    /// In: how many there is room for, 0 to ask for no more than the number. Out: how many there are.
    pub num_fences: u32,
    /// Must be 0.
    pub pad: u32,
    /// The address of that many [`FenceInfo`].
    pub sync_fence_info: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(SYNC_IOC_MERGE.raw(), linux::SYNC_IOC_MERGE);
        assert_eq!(SYNC_IOC_FILE_INFO.raw(), linux::SYNC_IOC_FILE_INFO);
        assert_eq!((SYNC_IOC_MERGE.raw(), SYNC_IOC_FILE_INFO.raw()), (0xC030_3E03, 0xC038_3E04));
        assert_eq!(size_of::<FenceInfo>(), 80);
    }
}
