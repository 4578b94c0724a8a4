//! The caller of a heap's ioctl, as the subsystem sees it: its memory and its descriptors.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{DmaBuf, Fence, Result, SyncFile};

use super::buffer::Buffer;
use super::platform::Kernel;
use super::sync_file::SyncFd;
use crate::mm::user;
use crate::vfs::fdtable::Reservation;
use crate::vfs::{FdTable, File, anon};

/// The calling task's memory.
pub struct Caller;

impl heaps::UserMemory for Caller {
    fn read_bytes(&self, addr: usize, into: &mut [u8]) -> Result<()> {
        user::read_bytes(addr as u64, into)
    }

    fn write_bytes(&self, addr: usize, from: &[u8]) -> Result<()> {
        user::write_bytes(addr as u64, from)
    }
}

/// The calling task's descriptors.
pub struct Descriptors<'a>(pub &'a Arc<FdTable>);

impl heaps::FdTable<Kernel> for Descriptors<'_> {
    type File = Arc<File>;
    type Slot = Reservation;

    fn new_file(&self, buffer: DmaBuf<Kernel>, access: u32) -> Result<Arc<File>> {
        Buffer::file(buffer, access)
    }

    fn new_sync_file(&self, fence: SyncFile<Kernel>, flags: u32) -> Result<Arc<File>> {
        anon::file(flags, SyncFd(fence))
    }

    fn sync_file(&self, fd: i32) -> Option<Fence<Kernel>> {
        SyncFd::fence(&*self.0.get(fd).ok()?)
    }

    fn reserve(&self, cloexec: bool) -> Result<Reservation> {
        self.0.reserve(cloexec)
    }

    fn number(&self, slot: &Reservation) -> u32 {
        slot.fd() as u32
    }

    fn install(&self, slot: Reservation, file: Arc<File>) {
        slot.install(file);
    }
}
