//! An open heap: what `/dev/dma_heap/NAME` does (Linux: the file operations of `drivers/dma-buf/dma-heap.c`).
//!
//! Reading, writing, seeking and mapping are the VFS's defaults for a file without them: `EINVAL`, `EINVAL`,
//! `ESPIPE`, `ENODEV`.

use core::marker::PhantomData;

use crate::Result;
use crate::platform::Platform;
use crate::uapi::ioctl::Command;
use crate::user::{FdTable, UserMemory};

/// An open heap's private data. Dropping it is the file's release, which comes before the VFS drops its
/// [`CdevRef`](crate::CdevRef).
pub struct HeapFile<P: Platform>(PhantomData<P>);

impl<P: Platform> HeapFile<P> {
    /// Does an ioctl. Only the command's number counts: a shorter structure than ours is extended by zeroes, a
    /// longer one's tail ignored. Takes no locks of the caller's; may sleep. Returns 0, or
    /// `EINVAL` unknown number, bad flags, length 0 or overflowing, `fd` not 0; `EFAULT`; `ENOMEM`; `EMFILE`;
    /// `EINTR` killed; `ENODEV` the heap is gone.
    pub fn ioctl<U, D>(&self, _command: Command, _arg: usize, _user: &U, _fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        todo!()
    }
}
