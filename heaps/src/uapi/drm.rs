//! What DRM nodes understand here, of `drm.h`, `drm_mode.h` and `vgem_drm.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ioctl::{Command, READ, WRITE};

const RW: u32 = READ | WRITE;

/// The ioctl type of DRM nodes.
pub const KIND: u8 = b'd';

const fn drm(dir: u32, nr: u8, size: usize) -> Command {
    Command::new(dir, KIND, nr, size)
}

/// The device's name and version: reads and writes [`Version`].
pub const DRM_IOCTL_VERSION: Command = drm(RW, 0x00, size_of::<Version>());
/// Takes a handle back: reads [`GemClose`].
pub const DRM_IOCTL_GEM_CLOSE: Command = drm(WRITE, 0x09, size_of::<GemClose>());
/// Asks for a capability: reads and writes [`GetCap`].
pub const DRM_IOCTL_GET_CAP: Command = drm(RW, 0x0c, size_of::<GetCap>());
/// A descriptor for a handle: reads and writes [`Prime`].
pub const DRM_IOCTL_PRIME_HANDLE_TO_FD: Command = drm(RW, 0x2d, size_of::<Prime>());
/// A handle for a descriptor: reads and writes [`Prime`].
pub const DRM_IOCTL_PRIME_FD_TO_HANDLE: Command = drm(RW, 0x2e, size_of::<Prime>());
/// Makes an object of memory: reads and writes [`CreateDumb`].
pub const DRM_IOCTL_MODE_CREATE_DUMB: Command = drm(RW, 0xb2, size_of::<CreateDumb>());
/// Says where it is mapped: reads and writes [`MapDumb`].
pub const DRM_IOCTL_MODE_MAP_DUMB: Command = drm(RW, 0xb3, size_of::<MapDumb>());
/// Takes its handle back: reads a `u32`.
pub const DRM_IOCTL_MODE_DESTROY_DUMB: Command = drm(RW, 0xb4, size_of::<u32>());

/// Puts a fence on an object: reads and writes [`FenceAttach`].
pub const DRM_IOCTL_VGEM_FENCE_ATTACH: Command = drm(RW, 0x41, size_of::<FenceAttach>());
/// Signals it: reads [`FenceSignal`].
pub const DRM_IOCTL_VGEM_FENCE_SIGNAL: Command = drm(WRITE, 0x42, size_of::<FenceSignal>());

/// [`GetCap`]: which ways dma-bufs go, of `DRM_PRIME_CAP_*`.
pub const DRM_CAP_PRIME: u64 = 0x5;
/// [`GetCap`]: whether events have times of the monotonic clock.
pub const DRM_CAP_TIMESTAMP_MONOTONIC: u64 = 0x6;
/// [`GetCap`]: whether there are synchronisation objects.
pub const DRM_CAP_SYNCOBJ: u64 = 0x13;
/// [`GetCap`]: whether they can count.
pub const DRM_CAP_SYNCOBJ_TIMELINE: u64 = 0x14;

/// Dma-bufs can become objects.
pub const DRM_PRIME_CAP_IMPORT: u64 = 1;
/// Objects can become dma-bufs.
pub const DRM_PRIME_CAP_EXPORT: u64 = 2;

/// [`FenceAttach`]: the fence is one that readers wait for, too.
pub const VGEM_FENCE_WRITE: u32 = 1;

/// The argument of [`DRM_IOCTL_VERSION`] (`struct drm_version`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Version {
    /// Out: major, minor, patch level.
    pub numbers: [u32; 3],
    /// Nothing.
    pub pad: u32,
    /// Out: the driver's name.
    pub name: Text,
    /// Out: its date.
    pub date: Text,
    /// Out: what it is.
    pub desc: Text,
}

/// Where a text goes, and how much of it fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Text {
    /// In: how many bytes there is room for. Out: how many there are.
    pub len: u64,
    /// The address of the room; 0 to ask for no more than the length.
    pub at: u64,
}

/// The argument of [`DRM_IOCTL_GEM_CLOSE`] (`struct drm_gem_close`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GemClose {
    /// The handle.
    pub handle: u32,
    /// Anything.
    pub pad: u32,
}

/// The argument of [`DRM_IOCTL_GET_CAP`] (`struct drm_get_cap`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GetCap {
    /// Of `DRM_CAP_*`.
    pub capability: u64,
    /// Out: its value.
    pub value: u64,
}

/// The argument of [`DRM_IOCTL_PRIME_HANDLE_TO_FD`] and [`DRM_IOCTL_PRIME_FD_TO_HANDLE`] (`struct drm_prime_handle`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Prime {
    /// The handle, in or out.
    pub handle: u32,
    /// `O_CLOEXEC` and `O_RDWR`, of the descriptor that comes out.
    pub flags: u32,
    /// The dma-buf's descriptor, out or in.
    pub fd: i32,
}

/// The argument of [`DRM_IOCTL_MODE_CREATE_DUMB`] (`struct drm_mode_create_dumb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CreateDumb {
    /// In lines.
    pub height: u32,
    /// In pixels.
    pub width: u32,
    /// Bits a pixel.
    pub bpp: u32,
    /// Anything.
    pub flags: u32,
    /// Out: its handle.
    pub handle: u32,
    /// Out: bytes from one line to the next.
    pub pitch: u32,
    /// Out: its size in bytes, whole pages.
    pub size: u64,
}

/// The argument of [`DRM_IOCTL_MODE_MAP_DUMB`] (`struct drm_mode_map_dumb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MapDumb {
    /// The handle.
    pub handle: u32,
    /// Anything.
    pub pad: u32,
    /// Out: where it is mapped in the node's file.
    pub offset: u64,
}

/// The argument of [`DRM_IOCTL_VGEM_FENCE_ATTACH`] (`struct drm_vgem_fence_attach`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FenceAttach {
    /// The object's handle.
    pub handle: u32,
    /// 0, or [`VGEM_FENCE_WRITE`].
    pub flags: u32,
    /// Out: the fence's number.
    pub out_fence: u32,
    /// Must be 0.
    pub pad: u32,
}

/// The argument of [`DRM_IOCTL_VGEM_FENCE_SIGNAL`] (`struct drm_vgem_fence_signal`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FenceSignal {
    /// The fence's number.
    pub fence: u32,
    /// Must be 0.
    pub flags: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(DRM_IOCTL_VERSION.raw(), 0xC040_6400);
        assert_eq!(DRM_IOCTL_GEM_CLOSE.raw(), 0x4008_6409);
        assert_eq!(DRM_IOCTL_GET_CAP.raw(), 0xC010_640C);
        assert_eq!(DRM_IOCTL_PRIME_HANDLE_TO_FD.raw(), 0xC00C_642D);
        assert_eq!(DRM_IOCTL_PRIME_FD_TO_HANDLE.raw(), 0xC00C_642E);
        assert_eq!(DRM_IOCTL_MODE_CREATE_DUMB.raw(), 0xC020_64B2);
        assert_eq!(DRM_IOCTL_MODE_MAP_DUMB.raw(), 0xC010_64B3);
        assert_eq!(DRM_IOCTL_MODE_DESTROY_DUMB.raw(), 0xC004_64B4);
        assert_eq!(DRM_IOCTL_VGEM_FENCE_ATTACH.raw(), 0xC010_6441);
        assert_eq!(DRM_IOCTL_VGEM_FENCE_SIGNAL.raw(), 0x4008_6442);
        assert_eq!((offset_of!(Version, name), offset_of!(CreateDumb, size)), (16, 24));
    }
}
