//! DRM nodes: GEM objects, and dma-bufs that they are imported from and exported as.

use crate::rt::{Fd, Mapping, abi, file};
use heaps::uapi::drm::*;
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::Command;
use zerocopy::{FromBytes, IntoBytes};

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
        let mut arg = GetCap { capability, value: !0 };
        self.send(DRM_IOCTL_GET_CAP, &mut arg).map(|()| arg.value)
    }

    /// A handle for the buffer behind `fd`.
    pub fn import(&self, fd: i32) -> Result<u32> {
        let mut arg = Prime { fd, ..Prime::default() };
        self.send(DRM_IOCTL_PRIME_FD_TO_HANDLE, &mut arg).map(|()| arg.handle)
    }

    /// A descriptor for an object.
    pub fn export(&self, handle: u32, flags: u32) -> Result<Fd> {
        let mut arg = Prime { handle, flags, fd: -1 };
        self.send(DRM_IOCTL_PRIME_HANDLE_TO_FD, &mut arg).map(|()| Fd::from_raw(arg.fd))
    }

    /// Takes a handle back.
    pub fn close(&self, handle: u32) -> Result<()> {
        self.send(DRM_IOCTL_GEM_CLOSE, &mut GemClose { handle, pad: 0 })
    }

    /// Puts a fence on an object: its number. [`VGEM_FENCE_WRITE`] has readers wait for it, too.
    pub fn fence(&self, handle: u32, flags: u32) -> Result<u32> {
        let mut arg = FenceAttach { handle, flags, ..FenceAttach::default() };
        self.send(DRM_IOCTL_VGEM_FENCE_ATTACH, &mut arg).map(|()| arg.out_fence)
    }

    /// Signals a fence.
    pub fn signal(&self, fence: u32) -> Result<()> {
        self.send(DRM_IOCTL_VGEM_FENCE_SIGNAL, &mut FenceSignal { fence, flags: 0 })
    }

    /// Makes an object for a picture.
    pub fn create(&self, width: u32, height: u32, bpp: u32) -> Result<CreateDumb> {
        let mut arg = CreateDumb { width, height, bpp, ..CreateDumb::default() };
        self.send(DRM_IOCTL_MODE_CREATE_DUMB, &mut arg).map(|()| arg)
    }

    /// Where an object is mapped in the node's file.
    pub fn offset(&self, handle: u32) -> Result<u64> {
        let mut arg = MapDumb { handle, ..MapDumb::default() };
        self.send(DRM_IOCTL_MODE_MAP_DUMB, &mut arg).map(|()| arg.offset)
    }

    /// Maps `length` bytes of the node's file from `offset`.
    pub fn map(&self, length: usize, flags: usize, offset: u64) -> Result<Mapping> {
        Mapping::new(length, abi::PROT_RW, flags, self.0.raw(), offset as usize)
    }
}
