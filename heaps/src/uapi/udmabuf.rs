//! What `/dev/udmabuf` understands (`linux/udmabuf.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, WRITE};

/// The ioctl type of `/dev/udmabuf`.
pub const KIND: u8 = b'u';

/// Makes a buffer of one range of a memfd: reads [`Create`], returns the buffer's descriptor.
pub const UDMABUF_CREATE: Command = Command::new(WRITE, KIND, 0x42, size_of::<Create>());
/// Makes a buffer of several ranges: reads [`CreateList`] and as many [`CreateItem`]s behind it, returns the buffer's
/// descriptor.
pub const UDMABUF_CREATE_LIST: Command = Command::new(WRITE, KIND, 0x43, size_of::<CreateList>());

/// The descriptor is closed at `execve`. Other flags mean nothing, and are not refused.
pub const UDMABUF_FLAGS_CLOEXEC: u32 = 1;

/// The argument of [`UDMABUF_CREATE`] (`struct udmabuf_create`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Create {
    /// The memfd's descriptor.
    pub memfd: u32,
    /// Of `UDMABUF_FLAGS_*`.
    pub flags: u32,
    /// Where the range starts, in bytes; whole pages.
    pub offset: u64,
    /// How long it is, in bytes; whole pages.
    pub size: u64,
}

/// The head of [`UDMABUF_CREATE_LIST`]'s argument (`struct udmabuf_create_list`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CreateList {
    /// Of `UDMABUF_FLAGS_*`.
    pub flags: u32,
    /// How many items follow.
    pub count: u32,
}

/// One range of a list (`struct udmabuf_create_item`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CreateItem {
    /// The memfd's descriptor.
    pub memfd: u32,
    /// Anything.
    pub pad: u32,
    /// Where the range starts, in bytes; whole pages.
    pub offset: u64,
    /// How long it is, in bytes; whole pages.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_layout_is_linux_s() {
        assert_eq!((UDMABUF_CREATE.raw(), UDMABUF_CREATE_LIST.raw()), (0x4018_7542, 0x4008_7543));
        assert_eq!(UDMABUF_CREATE.raw(), linux::UDMABUF_CREATE);
        assert_eq!(UDMABUF_CREATE_LIST.raw(), linux::UDMABUF_CREATE_LIST);
        assert_eq!((offset_of!(Create, offset), offset_of!(Create, size)), (8, 16));
        assert_eq!((size_of::<CreateItem>(), offset_of!(CreateItem, offset)), (24, 8));
    }
}
