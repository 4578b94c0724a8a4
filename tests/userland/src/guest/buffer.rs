//! A dma-buf as user space sees it.

use super::read_text;
use crate::rt::{Fd, Mapping, file};
use alloc::format;
use alloc::string::String;
use heaps::uapi::Errno;
use heaps::uapi::dma_buf::{
    DMA_BUF_IOCTL_SYNC, DMA_BUF_NAME_LEN, DMA_BUF_SET_NAME_B, DMA_BUF_SYNC_END, DMA_BUF_SYNC_RW, Sync,
};
use heaps::uapi::errno::Result;

/// A buffer, held by a descriptor.
#[derive(Debug)]
pub struct Buffer {
    fd: Fd,
    len: usize,
}

impl Buffer {
    /// The buffer of `len` bytes behind `fd`.
    pub fn new(fd: Fd, len: usize) -> Buffer {
        Buffer { fd, len }
    }

    /// The descriptor's number.
    pub fn raw(&self) -> i32 {
        self.fd.raw()
    }

    /// A second descriptor of the same buffer.
    pub fn duplicate(&self) -> Result<Buffer> {
        file::dup(self.raw()).map(|fd| Buffer { fd: Fd::from_raw(fd), len: self.len })
    }

    /// Maps all of it, shared.
    pub fn map(&self) -> Result<Mapping> {
        Mapping::shared(self.raw(), self.len)
    }

    /// Begins CPU access for reading and writing, and ends it.
    pub fn sync(&self) -> Result<()> {
        for flags in [0, DMA_BUF_SYNC_END] {
            let mut arg = Sync { flags: DMA_BUF_SYNC_RW | flags };
            file::ioctl(self.raw(), DMA_BUF_IOCTL_SYNC, &mut arg)?;
        }
        Ok(())
    }

    /// Names it (at most 31 bytes).
    pub fn set_name(&self, name: &str) -> Result<()> {
        let mut bytes = [0u8; DMA_BUF_NAME_LEN];
        bytes.get_mut(..name.len()).ok_or(Errno::EINVAL)?.copy_from_slice(name.as_bytes());
        file::ioctl(self.raw(), DMA_BUF_SET_NAME_B, &mut bytes).map(drop)
    }

    /// Its size by lseek to the end.
    pub fn size(&self) -> Result<u64> {
        file::seek(self.raw(), 0, crate::rt::abi::SEEK_END)
    }

    /// What /proc says of the descriptor.
    pub fn fdinfo(&self) -> Result<String> {
        read_text(&format!("/proc/self/fdinfo/{}", self.raw()))
    }

    /// Closes the descriptor.
    pub fn close(self) -> Result<()> {
        self.fd.close()
    }
}
