//! DRM nodes: GEM objects, and dma-bufs that they are imported from and exported as.

use crate::rt::{Fd, Mapping, abi, file};
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, READ, WRITE};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const RW: u32 = READ | WRITE;

/// The device's name and version.
pub const VERSION: Command = Command::new(RW, b'd', 0x00, size_of::<Version>());
/// Takes a handle back.
pub const GEM_CLOSE: Command = Command::new(WRITE, b'd', 0x09, 8);
/// Asks for a capability.
pub const GET_CAP: Command = Command::new(RW, b'd', 0x0c, 16);
/// A descriptor for a handle.
pub const HANDLE_TO_FD: Command = Command::new(RW, b'd', 0x2d, size_of::<Prime>());
/// A handle for a descriptor.
pub const FD_TO_HANDLE: Command = Command::new(RW, b'd', 0x2e, size_of::<Prime>());
/// What displays there are.
pub const MODE_GETRESOURCES: Command = Command::new(RW, b'd', 0xa0, 64);
/// Makes an object of memory.
pub const CREATE_DUMB: Command = Command::new(RW, b'd', 0xb2, size_of::<Dumb>());
/// Says where it is mapped.
pub const MAP_DUMB: Command = Command::new(RW, b'd', 0xb3, 16);
/// A synchronisation object.
pub const SYNCOBJ_CREATE: Command = Command::new(RW, b'd', 0xbf, 8);

/// Puts a fence on an object.
pub const FENCE_ATTACH: Command = Command::new(RW, b'd', 0x41, 16);
/// Signals it.
pub const FENCE_SIGNAL: Command = Command::new(WRITE, b'd', 0x42, 8);

/// `struct drm_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Version {
    pub numbers: [u32; 3],
    pub pad: u32,
    pub name_len: u64,
    pub name: u64,
    pub date_len: u64,
    pub date: u64,
    pub desc_len: u64,
    pub desc: u64,
}

/// `struct drm_prime_handle`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Prime {
    pub handle: u32,
    pub flags: u32,
    pub fd: i32,
}

/// `struct drm_mode_create_dumb`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Dumb {
    pub height: u32,
    pub width: u32,
    pub bpp: u32,
    pub flags: u32,
    pub handle: u32,
    pub pitch: u32,
    pub size: u64,
}

/// An open node.
#[derive(Debug)]
pub struct Drm(Fd);

impl Drm {
    /// Opens the node that takes everything.
    pub fn card() -> Result<Drm> {
        Fd::open("/dev/dri/card0", abi::O_RDWR | abi::O_CLOEXEC).map(Drm)
    }

    /// Opens the node for those who only render.
    pub fn render() -> Result<Drm> {
        Fd::open("/dev/dri/renderD128", abi::O_RDWR | abi::O_CLOEXEC).map(Drm)
    }

    /// Sends a command.
    pub fn send<T: FromBytes + IntoBytes>(&self, command: Command, arg: &mut T) -> Result<()> {
        file::ioctl(self.0.raw(), command, arg).map(drop)
    }

    /// A capability's value.
    pub fn cap(&self, capability: u64) -> Result<u64> {
        let mut arg = [capability, !0];
        self.send(GET_CAP, &mut arg).map(|()| arg[1])
    }

    /// A handle for the buffer behind `fd`.
    pub fn import(&self, fd: i32) -> Result<u32> {
        let mut arg = Prime { fd, ..Prime::default() };
        self.send(FD_TO_HANDLE, &mut arg).map(|()| arg.handle)
    }

    /// A descriptor for an object.
    pub fn export(&self, handle: u32, flags: u32) -> Result<Fd> {
        let mut arg = Prime { handle, flags, fd: -1 };
        self.send(HANDLE_TO_FD, &mut arg).map(|()| Fd::from_raw(arg.fd))
    }

    /// Takes a handle back.
    pub fn close(&self, handle: u32) -> Result<()> {
        self.send(GEM_CLOSE, &mut [handle, 0])
    }

    /// Puts a fence on an object: its number. Flag 1 has readers wait for it, too.
    pub fn fence(&self, handle: u32, flags: u32) -> Result<u32> {
        let mut arg = [handle, flags, 0, 0];
        self.send(FENCE_ATTACH, &mut arg).map(|()| arg[2])
    }

    /// Signals a fence.
    pub fn signal(&self, fence: u32) -> Result<()> {
        self.send(FENCE_SIGNAL, &mut [fence, 0])
    }

    /// Makes an object for a picture.
    pub fn create(&self, width: u32, height: u32, bpp: u32) -> Result<Dumb> {
        let mut arg = Dumb { width, height, bpp, ..Dumb::default() };
        self.send(CREATE_DUMB, &mut arg).map(|()| arg)
    }

    /// Where an object is mapped in the node's file.
    pub fn offset(&self, handle: u32) -> Result<u64> {
        let mut arg = [u64::from(handle), 0];
        self.send(MAP_DUMB, &mut arg).map(|()| arg[1])
    }

    /// Maps `length` bytes of the node's file from `offset`.
    pub fn map(&self, length: usize, flags: usize, offset: u64) -> Result<Mapping> {
        Mapping::new(length, abi::PROT_RW, flags, self.0.raw(), offset as usize)
    }
}
