//! dma-buf heaps: the glue between the portable subsystem and this kernel's files, devices and memory.
//!
//! * `platform`: what the subsystem asks of the kernel
//! * `heap`: an open `/dev/dma_heap/NAME`
//! * [`accounts`]: whose buffers are whose
//! * `buffer`: a dma-buf's descriptor
//! * [`frame_state`]: who reaches memory that goes to somebody else
//! * `list`: every dma-buf there is, and `/sys/kernel/debug/dma_buf/bufinfo`
//! * `sync_file`: a fence's descriptor, and the timelines of `/sys/kernel/debug/sync/sw_sync`
//! * [`regions`]: memory that was set aside for heaps at boot
#![forbid(unsafe_code)]

pub mod accounts;
mod buffer;
mod caller;
pub mod frame_state;
mod heap;
mod list;
#[cfg_attr(not(target_os = "none"), path = "machine_host.rs")]
mod machine;
mod platform;
pub mod regions;
mod sync_file;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;

use heaps::dma_buf::Exporter;
use heaps::uapi::fcntl::O_RDONLY;
use heaps::{DmaBuf, Errno, Fence, Registry, Result, SgTable, SyncFile};

use crate::vfs::{FdTable, File, anon};

pub use accounts::Charge;
pub use buffer::BufferRef;
pub use platform::{Kernel, TRACE_PUTS};

/// The major number of heap devices.
pub const MAJOR: u32 = 252;

/// Every heap of the machine.
pub static HEAPS: Registry<Kernel> = Registry::new(MAJOR);

/// Makes the files under `/sys/kernel/debug/dma_buf`. Once, at boot. `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    list::init()?;
    accounts::init()
}

/// A buffer that comes from no heap, as a file opened with this access mode: that of the pages in `table`, which
/// `exporter` releases, here too where there is an error. The calling process' user is charged for it, unless somebody is.
/// `EDQUOT`, `ENFILE`, `ENOMEM`. May sleep.
pub fn export(exporter: Box<dyn Exporter>, table: SgTable, access: u32) -> Result<Arc<File>> {
    buffer::Buffer::file(DmaBuf::export(&HEAPS, exporter, table)?, access)
}

/// The fence of the sync file behind descriptor `fd`. `EINVAL` where that is something else.
pub fn fence_of(files: &FdTable, fd: i32) -> Result<Fence<Kernel>> {
    files.get(fd).ok().and_then(|file| sync_file::SyncFd::fence(&file)).ok_or(Errno::EINVAL)
}

/// A sync file for a fence. `ENFILE`, `ENOMEM`.
pub fn fence_file(fence: &Fence<Kernel>) -> Result<Arc<File>> {
    anon::file(O_RDONLY, sync_file::SyncFd(SyncFile::new(fence.clone())))
}

/// How many bytes the dma-buf behind a file has, if it is one.
pub fn buffer_bytes(file: &File) -> Option<usize> {
    buffer::Buffer::of(file).map(buffer::Buffer::bytes)
}
