//! `/dev/edu`: a PCI device that reads and writes dma-bufs by DMA of its own.

use crate::rt::{Fd, abi, file};
use heaps::uapi::edu::{
    EDU_FACTORIAL, EDU_FORGET, EDU_IMPORT, EDU_INFO, EDU_PLACE, EDU_SUBMIT, EDU_TRANSFER, FROM_DEVICE,
    Import, Info, Place, SUBMIT_IN_FENCE, SUBMIT_OUT_FENCE, Submit, TO_DEVICE, Transfer,
};
use heaps::uapi::errno::Result;

/// Bytes of the device's own memory.
pub const MEMORY: usize = 4096;

/// The device reads `len` bytes of an import from `offset` on.
pub fn load(handle: u32, offset: usize, len: usize) -> Transfer {
    Transfer { handle, direction: TO_DEVICE, offset: offset as u64, at: 0, len: len as u32 }
}

/// The device writes the first `len` bytes of its memory to an import, from `offset` on.
pub fn store(handle: u32, offset: usize, len: usize) -> Transfer {
    Transfer { direction: FROM_DEVICE, ..load(handle, offset, len) }
}

/// An open device.
#[derive(Debug)]
pub struct Edu(Fd);

impl Edu {
    /// Opens it.
    pub fn open() -> Result<Edu> {
        Fd::open("/dev/edu", abi::O_RDWR | abi::O_CLOEXEC).map(Edu)
    }

    /// The descriptor's number.
    pub fn raw(&self) -> i32 {
        self.0.raw()
    }

    /// What it is.
    pub fn info(&self) -> Result<Info> {
        let mut info = Info::default();
        file::ioctl(self.raw(), EDU_INFO, &mut info).map(|_| info)
    }

    /// The factorial of `n`, modulo 2^32.
    pub fn factorial(&self, n: u32) -> Result<u32> {
        let mut n = n;
        file::ioctl(self.raw(), EDU_FACTORIAL, &mut n).map(|_| n)
    }

    /// Imports the buffer behind `fd`: its handle.
    pub fn import(&self, fd: i32) -> Result<u32> {
        let mut import = Import { fd, handle: !0 };
        file::ioctl(self.raw(), EDU_IMPORT, &mut import).map(|_| import.handle)
    }

    /// Lets an import go.
    pub fn forget(&self, handle: u32) -> Result<()> {
        let mut handle = handle;
        file::ioctl(self.raw(), EDU_FORGET, &mut handle).map(drop)
    }

    /// Moves bytes; sleeps until the device has.
    pub fn transfer(&self, transfer: Transfer) -> Result<()> {
        let mut transfer = transfer;
        file::ioctl(self.raw(), EDU_TRANSFER, &mut transfer).map(drop)
    }

    /// Where the device finds an import.
    pub fn place(&self, handle: u32) -> Result<Place> {
        let mut place = Place { handle, ..Place::default() };
        file::ioctl(self.raw(), EDU_PLACE, &mut place).map(|_| place)
    }

    /// Has bytes moved after `before` is signalled: a sync file that says when they were.
    pub fn submit(&self, transfer: Transfer, before: Option<&Fd>) -> Result<Fd> {
        let in_flag = if before.is_some() { SUBMIT_IN_FENCE } else { 0 };
        let in_fence = before.map_or(-1, Fd::raw);
        let mut submit =
            Submit { transfer, flags: in_flag | SUBMIT_OUT_FENCE, in_fence, ..Submit::default() };
        file::ioctl(self.raw(), EDU_SUBMIT, &mut submit)?;
        Ok(Fd::from_raw(submit.out_fence))
    }

    /// Has the device read `len` bytes of an import from `offset` on.
    pub fn load(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(load(handle, offset, len))
    }

    /// Has the device write the first `len` bytes of its memory to an import, from `offset` on.
    pub fn store(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(store(handle, offset, len))
    }
}
