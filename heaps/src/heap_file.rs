//! An open heap: what `/dev/dma_heap/NAME` does (Linux: the file operations of `drivers/dma-buf/dma-heap.c`).
//!
//! Reading, writing, seeking and mapping are the VFS's defaults for a file without them: `EINVAL`, `EINVAL`,
//! `ESPIPE`, `ENODEV`.

#[cfg(all(test, not(feature = "loom")))]
mod tests;

use zerocopy::{FromZeros, IntoBytes};

use crate::addr::{PAGE_SHIFT, PAGE_SIZE, pages_for};
use crate::attributes::Attributes;
use crate::discipline::{counted, lastref};
use crate::dma_buf::DmaBuf;
use crate::platform::{Event, Platform};
use crate::uapi::dma_heap::{
    AllocationData, DMA_HEAP_IOCTL_ALLOC, DMA_HEAP_IOCTL_QUERY, QUERY_PROTECTED, QUERY_SIZE_MIN, Query,
    VALID_FD_FLAGS, VALID_HEAP_FLAGS,
};
use crate::uapi::fcntl::{O_ACCMODE, O_CLOEXEC};
use crate::uapi::ioctl::{Command, READ, WRITE};
use crate::user::{FdTable, UserMemory};
use crate::{Errno, Result};

/// An open heap's private data. Dropping it is the file's release, which comes before the VFS drops its
/// [`CdevRef`](crate::CdevRef).
pub struct HeapFile<P: Platform>(Inner<P>);

enum Inner<P: Platform> {
    Counted(counted::File<P>),
    Shell(lastref::File<P>),
}

impl<P: Platform> HeapFile<P> {
    pub(crate) fn of_counted(file: counted::File<P>) -> HeapFile<P> {
        HeapFile(Inner::Counted(file))
    }

    pub(crate) fn of_shell(file: lastref::File<P>) -> HeapFile<P> {
        HeapFile(Inner::Shell(file))
    }

    /// Does an ioctl. Only the command's number counts: a shorter structure than ours is extended by zeroes, a
    /// longer one's tail ignored. Takes no locks of the caller's; may sleep. Returns 0, or
    /// `EINVAL` unknown number, bad flags, length 0 or overflowing, `fd` not 0; `EFAULT`; `ENOMEM`; `EMFILE`;
    /// `EINTR` killed; `ENODEV` the heap is gone; `EDQUOT` the caller holds as much as it may; `E2BIG` a query with
    /// what is not known here.
    pub fn ioctl<U, D>(&self, command: Command, arg: usize, user: &U, fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        if command.nr() == DMA_HEAP_IOCTL_QUERY.nr() {
            return self.query(arg, user).map(|()| 0);
        }
        if command.nr() != DMA_HEAP_IOCTL_ALLOC.nr() {
            return Err(Errno::EINVAL);
        }
        let size = command.size().min(size_of::<AllocationData>());
        let size_if = |dir| if command.dir() & dir != 0 { size } else { 0 };
        let mut data = AllocationData::new_zeroed();
        user.read_bytes(arg, &mut data.as_mut_bytes()[..size_if(WRITE)])?;
        let buffer = self.allocate(&data)?;

        // Everything that can fail, then the descriptor.
        let file = fds.new_file(buffer, data.fd_flags & O_ACCMODE)?;
        let slot = fds.reserve(data.fd_flags & O_CLOEXEC != 0)?;
        data.fd = fds.number(&slot);
        user.write_bytes(arg, &data.as_bytes()[..size_if(READ)])?;
        fds.install(slot, file);
        Ok(0)
    }

    fn allocate(&self, data: &AllocationData) -> Result<DmaBuf<P>> {
        if data.fd != 0 || data.fd_flags & !VALID_FD_FLAGS != 0 || data.heap_flags & !VALID_HEAP_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let len = whole_pages(usize::try_from(data.len).map_err(|_| Errno::EINVAL)?)?;
        let charge = P::charge(len)?;
        Ok(self.allocate_pages(len, data.heap_flags)?.charged(charge))
    }

    /// Allocates a buffer of `len` bytes, rounded up to pages, for the kernel itself: nobody is charged for it. It holds
    /// what it needs of the heap, and may outlive this. May sleep. `EINVAL` for 0 and what overflows; `ENOMEM`;
    /// `EINTR`; `ENODEV` the heap is gone.
    pub fn allocate_buffer(&self, len: usize) -> Result<DmaBuf<P>> {
        self.allocate_pages(whole_pages(len)?, 0)
    }

    fn allocate_pages(&self, len: usize, flags: u64) -> Result<DmaBuf<P>> {
        match &self.0 {
            Inner::Counted(file) => file.allocate(len, flags),
            Inner::Shell(file) => file.allocate(len, flags),
        }
    }

    /// What the buffers are like. `ENODEV` the heap is gone. May sleep.
    pub fn attributes(&self) -> Result<Attributes> {
        match &self.0 {
            Inner::Counted(file) => file.attributes(),
            Inner::Shell(file) => file.attributes(),
        }
    }

    /// Answers a query as far as the caller knows the structure.
    fn query<U: UserMemory + ?Sized>(&self, arg: usize, user: &U) -> Result<()> {
        let mut query = Query::new_zeroed();
        user.read_bytes(arg, query.size.as_mut_bytes())?;
        let theirs = query.size as usize;
        if !(QUERY_SIZE_MIN..=PAGE_SIZE).contains(&theirs) {
            return Err(Errno::EINVAL);
        }
        let known = theirs.min(size_of::<Query>());
        user.read_bytes(arg, &mut query.as_mut_bytes()[..known])?;
        for at in known..theirs {
            let mut byte = 0u8;
            user.read_bytes(arg.checked_add(at).ok_or(Errno::EFAULT)?, byte.as_mut_bytes())?;
            if byte != 0 {
                return Err(Errno::E2BIG);
            }
        }
        if query.flags & !QUERY_PROTECTED != 0 || query.reserved != 0 {
            return Err(Errno::EINVAL);
        }
        let answer = self.attributes()?.answer(P::memory(), &query);
        user.write_bytes(arg, &answer.as_bytes()[..known])
    }
}

/// `len` in whole pages, in bytes. `EINVAL` for 0 and what overflows.
fn whole_pages(len: usize) -> Result<usize> {
    let pages = pages_for(len).filter(|&pages| pages != 0).ok_or(Errno::EINVAL)?;
    Ok(pages << PAGE_SHIFT)
}

impl<P: Platform> Drop for HeapFile<P> {
    fn drop(&mut self) {
        P::trace(Event::HeapRelease);
    }
}
