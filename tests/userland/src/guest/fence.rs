//! Fences on buffers: those of a software timeline, which goes on when it is told to.

use crate::rt::{Fd, abi, file, socket};
use heaps::uapi::dma_buf::{
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE,
    ExportSyncFile, ImportSyncFile,
};
use heaps::uapi::errno::Result;
use heaps::uapi::sw_sync::{CreateFence, SW_SYNC_IOC_CREATE_FENCE, SW_SYNC_IOC_INC};
use heaps::uapi::sync_file::{FileInfo, SYNC_IOC_FILE_INFO};
use zerocopy::FromZeros;

/// A software timeline, at 0. Closed, it signals all its fences, with an error.
#[derive(Debug)]
pub struct Timeline(Fd);

impl Timeline {
    /// A new one.
    pub fn open() -> Result<Timeline> {
        Fd::open("/sys/kernel/debug/sync/sw_sync", abi::O_RDWR | abi::O_CLOEXEC).map(Timeline)
    }

    /// A fence that is signalled when the timeline comes to `value`.
    pub fn fence(&self, value: u32) -> Result<Fd> {
        let mut arg = CreateFence { value, ..CreateFence::new_zeroed() };
        file::ioctl(self.0.raw(), SW_SYNC_IOC_CREATE_FENCE, &mut arg)?;
        Ok(Fd::from_raw(arg.fence))
    }

    /// Goes on by one.
    pub fn step(&self) -> Result<()> {
        file::ioctl(self.0.raw(), SW_SYNC_IOC_INC, &mut 1u32).map(drop)
    }
}

/// Whether the fence of a sync file is signalled: 0 while it is not, 1 once it is, a negated error number where that went
/// wrong.
pub fn status(fence: &Fd) -> Result<i32> {
    let mut info = FileInfo::new_zeroed();
    file::ioctl(fence.raw(), SYNC_IOC_FILE_INFO, &mut info).map(|_| info.status)
}

/// Waits until it is, and says how.
pub fn wait(fence: &Fd) -> Result<i32> {
    while status(fence)? == 0 {
        socket::poll_for(fence.raw(), abi::POLLIN, 60)?;
    }
    status(fence)
}

/// Has everybody who uses the buffer behind `buffer` wait for a fence.
pub fn put_on(buffer: i32, fence: &Fd) -> Result<()> {
    let mut arg = ImportSyncFile { flags: DMA_BUF_SYNC_WRITE as u32, fd: fence.raw() };
    file::ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &mut arg).map(drop)
}

/// A fence for all that is under way with the buffer behind `buffer`.
pub fn take_from(buffer: i32) -> Result<Fd> {
    let mut arg = ExportSyncFile { flags: DMA_BUF_SYNC_RW as u32, fd: -1 };
    file::ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &mut arg)?;
    Ok(Fd::from_raw(arg.fd))
}
