//! The structures and commands of `drm.h`, `drm_mode.h` and `vgem_drm.h` that are served.
#![forbid(unsafe_code)]

use heaps::uapi::ioctl::{Command, READ, WRITE};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const RW: u32 = READ | WRITE;

/// The type of every command.
pub const DRM_IOCTL_BASE: u8 = b'd';

const fn drm(dir: u32, nr: u8, size: usize) -> Command {
    Command::new(dir, DRM_IOCTL_BASE, nr, size)
}

pub const DRM_IOCTL_VERSION: Command = drm(RW, 0x00, size_of::<Version>());
pub const DRM_IOCTL_GEM_CLOSE: Command = drm(WRITE, 0x09, size_of::<GemClose>());
pub const DRM_IOCTL_GET_CAP: Command = drm(RW, 0x0c, size_of::<GetCap>());
pub const DRM_IOCTL_PRIME_HANDLE_TO_FD: Command = drm(RW, 0x2d, size_of::<Prime>());
pub const DRM_IOCTL_PRIME_FD_TO_HANDLE: Command = drm(RW, 0x2e, size_of::<Prime>());
pub const DRM_IOCTL_MODE_CREATE_DUMB: Command = drm(RW, 0xb2, size_of::<CreateDumb>());
pub const DRM_IOCTL_MODE_MAP_DUMB: Command = drm(RW, 0xb3, size_of::<MapDumb>());
pub const DRM_IOCTL_MODE_DESTROY_DUMB: Command = drm(RW, 0xb4, size_of::<u32>());

pub const DRM_IOCTL_VGEM_FENCE_ATTACH: Command = drm(RW, 0x41, size_of::<FenceAttach>());
pub const DRM_IOCTL_VGEM_FENCE_SIGNAL: Command = drm(WRITE, 0x42, size_of::<FenceSignal>());

/// The fence is one that readers wait for, too.
pub const VGEM_FENCE_WRITE: u32 = 1;

/// `struct drm_vgem_fence_attach`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FenceAttach {
    pub handle: u32,
    pub flags: u32,
    pub out_fence: u32,
    pub pad: u32,
}

/// `struct drm_vgem_fence_signal`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FenceSignal {
    pub fence: u32,
    pub flags: u32,
}

/// `struct drm_version`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Version {
    pub numbers: [u32; 3],
    pub pad: u32,
    pub name: Text,
    pub date: Text,
    pub desc: Text,
}

/// Where a text goes, and how much of it fits.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Text {
    pub len: u64,
    pub at: u64,
}

/// `struct drm_gem_close`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct GemClose {
    pub handle: u32,
    pub pad: u32,
}

/// `struct drm_get_cap`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct GetCap {
    pub capability: u64,
    pub value: u64,
}

/// `struct drm_prime_handle`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Prime {
    pub handle: u32,
    pub flags: u32,
    pub fd: i32,
}

/// `struct drm_mode_create_dumb`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct CreateDumb {
    pub height: u32,
    pub width: u32,
    pub bpp: u32,
    pub flags: u32,
    pub handle: u32,
    pub pitch: u32,
    pub size: u64,
}

/// `struct drm_mode_map_dumb`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct MapDumb {
    pub handle: u32,
    pub pad: u32,
    pub offset: u64,
}

pub const DRM_CAP_PRIME: u64 = 0x5;
pub const DRM_CAP_TIMESTAMP_MONOTONIC: u64 = 0x6;
pub const DRM_CAP_SYNCOBJ: u64 = 0x13;
pub const DRM_CAP_SYNCOBJ_TIMELINE: u64 = 0x14;
pub const DRM_PRIME_CAP_IMPORT: u64 = 1;
pub const DRM_PRIME_CAP_EXPORT: u64 = 2;
