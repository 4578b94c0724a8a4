//! A buffer: what a dma-buf descriptor does (Linux: `drivers/dma-buf/dma-buf.c`).

use core::fmt;
use core::marker::PhantomData;

use crate::Result;
use crate::platform::Platform;
use crate::sg::Window;
use crate::uapi::ioctl::Command;
use crate::user::UserMemory;

/// A buffer. The kernel's file owns it; descriptors, mappings and importers share that file, and when the last
/// of them goes the buffer is dropped, which gives its pages back. May sleep when dropped.
pub struct DmaBuf<P: Platform>(PhantomData<P>);

/// What is asked of [`DmaBuf::mmap`].
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// Bytes into the buffer; a multiple of the page size.
    pub offset: u64,
    /// In bytes, rounded up to pages.
    pub len: usize,
    /// `MAP_SHARED`, rather than `MAP_PRIVATE`.
    pub shared: bool,
    /// `PROT_WRITE`.
    pub write: bool,
    /// The file was opened for writing.
    pub file_writable: bool,
}

impl<P: Platform> DmaBuf<P> {
    /// In bytes, whole pages: the file's size.
    pub fn size(&self) -> usize {
        todo!()
    }

    /// Does an ioctl: SYNC and SET_NAME. Returns 0, or `ENOTTY` unknown command, `EINVAL`, `EFAULT`.
    /// May sleep.
    pub fn ioctl<U: UserMemory + ?Sized>(&self, _command: Command, _arg: usize, _user: &U) -> Result<usize> {
        todo!()
    }

    /// Finds the size by seeking: only to offset 0 from the start or the end, else `EINVAL`.
    pub fn lseek(&self, _offset: i64, _whence: u32) -> Result<u64> {
        todo!()
    }

    /// The page runs behind a mapping, in order; they stay the buffer's as long as the mapping holds its file.
    /// `EACCES` for a shared writable mapping of a file not open for writing; `EINVAL` past the end.
    pub fn mmap(&self, _request: MapRequest) -> Result<Window<'_>> {
        todo!()
    }

    /// The lines of `/proc/PID/fdinfo/FD` that are a buffer's own. `references` is how many hold its file.
    pub fn fdinfo(&self, _out: &mut dyn fmt::Write, _references: usize) -> fmt::Result {
        todo!()
    }

    /// What the link `/proc/PID/fd/FD` says: `/dmabuf:` and the name.
    pub fn link_text(&self, _out: &mut dyn fmt::Write) -> fmt::Result {
        todo!()
    }
}
