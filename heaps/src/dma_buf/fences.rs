//! What a buffer's users wait for, and how user space hands fences in and out (Linux: `dma_buf_export_sync_file`,
//! `dma_buf_import_sync_file`, `dma_buf_poll`).

use alloc::boxed::Box;
use core::fmt;

use zerocopy::{FromZeros, IntoBytes};

use super::DmaBuf;
use super::shared::Shared;
use crate::fence::reservation::Usage;
use crate::fence::sync_file::SyncFile;
use crate::fence::{Callback, Fence, Signalled};
use crate::kref::Ref;
use crate::platform::{Platform, PollQueue};
use crate::uapi::dma_buf::{DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE, ExportSyncFile, ImportSyncFile};
use crate::uapi::fcntl::O_RDONLY;
use crate::user::{FdTable, UserMemory};
use crate::{Errno, Result};

/// Tells those who poll a buffer that one of its fences was signalled.
struct Wake<P: Platform>(Ref<Shared<P>>);

impl<P: Platform> Callback for Wake<P> {
    fn signalled(self: Box<Self>, _: Signalled) {
        self.0.poll.notify();
    }
}

impl<P: Platform> DmaBuf<P> {
    /// Adds a fence that those who use the buffer next have to wait for; an array is added as its parts. Where there are
    /// several such calls for one buffer, a fence may take the place of those before it in its context. `ENOMEM`.
    pub fn add_fence(&self, fence: &Fence<P>, usage: Usage) -> Result<()> {
        let shared = self.shared()?;
        shared.reservation.add(fence.parts(), usage, || Wake(shared.clone()))
    }

    /// Sleeps until what was added for `usage` and before is signalled. `EINTR`.
    pub fn wait_fences(&self, usage: Usage) -> Result<()> {
        self.shared.get().map_or(Ok(()), |shared| shared.reservation.wait(usage))
    }

    /// What somebody has to wait for who is about to use the buffer as `usage` says, as one fence; `None` for nothing.
    /// `ENOMEM`.
    pub fn pending_fence(&self, usage: Usage) -> Result<Option<Fence<P>>> {
        let before = Usage::before(usage != Usage::Read);
        self.shared.get().map_or(Ok(None), |shared| shared.reservation.singleton(before))
    }

    /// Whether a reader, and a writer, need not wait. Does not sleep.
    pub fn is_idle(&self) -> (bool, bool) {
        let idle = |shared: &Shared<P>, writes| shared.reservation.is_signalled(Usage::before(writes));
        self.shared.get().map_or((true, true), |shared| (idle(shared, false), idle(shared, true)))
    }

    /// Where those wait who want to know when [`is_idle`](Self::is_idle) says more; the same as long as the buffer is
    /// there. `ENOMEM`.
    pub fn poll_queue(&self) -> Result<&P::PollQueue> {
        self.shared()?;
        self.shared.get().map(|shared| &shared.poll).ok_or(Errno::ENOMEM)
    }

    /// The buffer ends: its fences need not tell anybody.
    pub(super) fn forget_fences(&self) {
        if let Some(shared) = self.shared.get() {
            shared.reservation.clear();
        }
    }

    /// The lines of `bufinfo` about its fences.
    pub fn show_fences(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.shared.get().map_or(Ok(()), |shared| shared.reservation.describe(out))
    }

    pub(super) fn export_sync_file<U, D>(&self, arg: usize, user: &U, fds: &D) -> Result<()>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        let mut data = ExportSyncFile::new_zeroed();
        user.read_bytes(arg, data.as_mut_bytes())?;
        let writes = check(data.flags)?;
        let slot = fds.reserve(true)?;
        let pending = self.pending_fence(if writes { Usage::Write } else { Usage::Read })?;
        let fence = pending.map_or_else(|| Fence::signalled_at(P::now_ns()), Ok)?;
        let file = fds.new_sync_file(SyncFile::new(fence), O_RDONLY).map_err(|_| Errno::ENOMEM)?;
        data.fd = fds.number(&slot) as i32;
        user.write_bytes(arg, data.as_bytes())?;
        fds.install(slot, file);
        Ok(())
    }

    pub(super) fn import_sync_file<U, D>(&self, arg: usize, user: &U, fds: &D) -> Result<()>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        let mut data = ImportSyncFile::new_zeroed();
        user.read_bytes(arg, data.as_mut_bytes())?;
        let usage = if check(data.flags)? { Usage::Write } else { Usage::Read };
        let fence = fds.sync_file(data.fd).ok_or(Errno::EINVAL)?;
        self.add_fence(&fence, usage)
    }
}

/// Whether the flags say that somebody writes. `EINVAL`.
fn check(flags: u32) -> Result<bool> {
    let (valid, write) = (DMA_BUF_SYNC_RW as u32, DMA_BUF_SYNC_WRITE as u32);
    if flags & !valid != 0 || flags & valid == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(flags & write != 0)
}
