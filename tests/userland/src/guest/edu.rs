//! `/dev/edu`: a PCI device that reads and writes dma-bufs by DMA of its own.

use crate::rt::{Fd, abi, file};
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, READ, WRITE};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of the device's own memory.
pub const MEMORY: usize = 4096;

/// What the device is.
pub const INFO: Command = Command::new(READ, b'e', 0, size_of::<Info>());
/// A factorial, modulo 2^32.
pub const FACTORIAL: Command = Command::new(READ | WRITE, b'e', 1, 4);
/// Imports a dma-buf.
pub const IMPORT: Command = Command::new(READ | WRITE, b'e', 2, size_of::<Import>());
/// Lets an import go.
pub const FORGET: Command = Command::new(WRITE, b'e', 3, 4);
/// Moves bytes.
pub const TRANSFER: Command = Command::new(WRITE, b'e', 4, size_of::<Transfer>());

/// What [`INFO`] fills in.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Info {
    pub id: u32,
    pub interrupt: u32,
    pub last_address: u64,
    pub memory: u64,
}

/// What [`IMPORT`] takes, and its handle.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Import {
    pub fd: i32,
    pub handle: u32,
}

/// What [`TRANSFER`] takes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Transfer {
    pub handle: u32,
    /// 0 to the device, 1 from it.
    pub direction: u32,
    /// Bytes into the buffer.
    pub offset: u64,
    /// Bytes into the device's memory.
    pub at: u32,
    pub len: u32,
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
        file::ioctl(self.raw(), INFO, &mut info).map(|_| info)
    }

    /// The factorial of `n`, modulo 2^32.
    pub fn factorial(&self, n: u32) -> Result<u32> {
        let mut n = n;
        file::ioctl(self.raw(), FACTORIAL, &mut n).map(|_| n)
    }

    /// Imports the buffer behind `fd`: its handle.
    pub fn import(&self, fd: i32) -> Result<u32> {
        let mut import = Import { fd, handle: !0 };
        file::ioctl(self.raw(), IMPORT, &mut import).map(|_| import.handle)
    }

    /// Lets an import go.
    pub fn forget(&self, handle: u32) -> Result<()> {
        let mut handle = handle;
        file::ioctl(self.raw(), FORGET, &mut handle).map(drop)
    }

    /// Moves bytes; sleeps until the device has.
    pub fn transfer(&self, transfer: Transfer) -> Result<()> {
        let mut transfer = transfer;
        file::ioctl(self.raw(), TRANSFER, &mut transfer).map(drop)
    }

    /// Has the device read `len` bytes of an import from `offset` on.
    pub fn load(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(Transfer { handle, direction: 0, offset: offset as u64, at: 0, len: len as u32 })
    }

    /// Has the device write the first `len` bytes of its memory to an import, from `offset` on.
    pub fn store(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(Transfer { handle, direction: 1, offset: offset as u64, at: 0, len: len as u32 })
    }
}
