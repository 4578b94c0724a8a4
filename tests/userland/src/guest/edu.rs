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

/// Where the device finds an import.
pub const PLACE: Command = Command::new(READ | WRITE, b'e', 5, size_of::<Place>());
/// Moves bytes, and does not wait.
pub const SUBMIT: Command = Command::new(READ | WRITE, b'e', 6, size_of::<Submit>());

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

impl Transfer {
    /// The device reads `len` bytes of an import from `offset` on.
    pub fn load(handle: u32, offset: usize, len: usize) -> Transfer {
        Transfer { handle, direction: 0, offset: offset as u64, at: 0, len: len as u32 }
    }

    /// The device writes the first `len` bytes of its memory to an import, from `offset` on.
    pub fn store(handle: u32, offset: usize, len: usize) -> Transfer {
        Transfer { direction: 1, ..Transfer::load(handle, offset, len) }
    }
}

/// What [`PLACE`] fills in.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Place {
    pub handle: u32,
    pub runs: u32,
    /// Of the first run.
    pub address: u64,
}

/// What [`SUBMIT`] takes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Submit {
    pub transfer: Transfer,
    /// [`IN_FENCE`], [`OUT_FENCE`].
    pub flags: u32,
    pub in_fence: i32,
    pub out_fence: i32,
    pub pad: u32,
}

/// The job waits for `in_fence`.
pub const IN_FENCE: u32 = 1;
/// `out_fence` is filled in.
pub const OUT_FENCE: u32 = 2;

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

    /// Where the device finds an import.
    pub fn place(&self, handle: u32) -> Result<Place> {
        let mut place = Place { handle, ..Place::default() };
        file::ioctl(self.raw(), PLACE, &mut place).map(|_| place)
    }

    /// Has bytes moved after `before` is signalled: a sync file that says when they were.
    pub fn submit(&self, transfer: Transfer, before: Option<&Fd>) -> Result<Fd> {
        let in_flag = if before.is_some() { IN_FENCE } else { 0 };
        let in_fence = before.map_or(-1, Fd::raw);
        let mut submit = Submit { transfer, flags: in_flag | OUT_FENCE, in_fence, ..Submit::default() };
        file::ioctl(self.raw(), SUBMIT, &mut submit)?;
        Ok(Fd::from_raw(submit.out_fence))
    }

    /// Has the device read `len` bytes of an import from `offset` on.
    pub fn load(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(Transfer::load(handle, offset, len))
    }

    /// Has the device write the first `len` bytes of its memory to an import, from `offset` on.
    pub fn store(&self, handle: u32, offset: usize, len: usize) -> Result<()> {
        self.transfer(Transfer::store(handle, offset, len))
    }
}
