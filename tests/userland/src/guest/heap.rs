//! A heap as user space sees it: a node that can be opened and asked for buffers.

use super::buffer::Buffer;
use crate::rt::{Fd, abi, file};
use alloc::format;
use heaps::uapi::dma_heap::{AllocationData, DEV_DIR, DMA_HEAP_IOCTL_ALLOC};
use heaps::uapi::errno::Result;

/// An open heap.
#[derive(Debug)]
pub struct Heap {
    fd: Fd,
}

impl Heap {
    /// Opens heap `name`.
    pub fn open(name: &str) -> Result<Heap> {
        Heap::open_path(&format!("{DEV_DIR}{name}"))
    }

    /// Opens whatever heap `path` leads to.
    pub fn open_path(path: &str) -> Result<Heap> {
        Fd::open(path, abi::O_RDWR | abi::O_CLOEXEC).map(|fd| Heap { fd })
    }

    /// The device number of heap `name`'s node.
    pub fn number(name: &str) -> Result<u64> {
        file::stat_at(abi::AT_FDCWD, &format!("{DEV_DIR}{name}"), 0).map(|stat| stat.rdev)
    }

    /// The descriptor's number.
    pub fn raw(&self) -> i32 {
        self.fd.raw()
    }

    /// The device number behind the node (`st_rdev`): which heap this is, whatever its name.
    pub fn device(&self) -> Result<u64> {
        file::stat(self.raw()).map(|stat| stat.rdev)
    }

    /// Asks for a buffer of `len` bytes, readable and writable.
    pub fn allocate(&self, len: usize) -> Result<Buffer> {
        allocate(self.raw(), len)
    }

    /// Closes it.
    pub fn close(self) -> Result<()> {
        self.fd.close()
    }
}

/// Asks whatever is behind descriptor `heap` for a buffer of `len` bytes.
pub fn allocate(heap: i32, len: usize) -> Result<Buffer> {
    let fd_flags = abi::O_RDWR | abi::O_CLOEXEC;
    let mut arg = AllocationData { len: len as u64, fd_flags, ..Default::default() };
    file::ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &mut arg)?;
    Ok(Buffer::new(Fd::from_raw(arg.fd as i32), len))
}
