//! A fence as a descriptor (Linux: `drivers/dma-buf/sync_file.c`).

use alloc::vec::Vec;
use core::fmt::Write;

use zerocopy::{FromZeros, IntoBytes};

use super::{Fence, array};
use crate::platform::Platform;
use crate::uapi::fcntl::O_RDONLY;
use crate::uapi::ioctl::Command;
use crate::uapi::sync_file::{FenceInfo, FileInfo, Merge, NAME_LEN, SYNC_IOC_FILE_INFO, SYNC_IOC_MERGE};
use crate::user::{FdTable, UserMemory};
use crate::{Errno, Result};

/// A sync file. The kernel's file owns it; it is readable in `poll`'s sense once the fence is signalled.
pub struct SyncFile<P: Platform> {
    fence: Fence<P>,
    /// What a merge was called; empty for a fence's own name.
    name: [u8; NAME_LEN],
}

impl<P: Platform> SyncFile<P> {
    /// A file for a fence.
    pub fn new(fence: Fence<P>) -> SyncFile<P> {
        SyncFile { fence, name: [0; NAME_LEN] }
    }

    /// The fence.
    pub fn fence(&self) -> &Fence<P> {
        &self.fence
    }

    /// Does an ioctl: MERGE and FILE_INFO. Returns 0, or `ENOTTY` unknown command, `EINVAL`, `EFAULT`, `ENOENT` for a
    /// second descriptor that is no sync file, `EMFILE`, `ENFILE`, `ENOMEM`. May sleep.
    pub fn ioctl<U, D>(&self, command: Command, arg: usize, user: &U, fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        match command {
            SYNC_IOC_MERGE => self.merge(arg, user, fds),
            SYNC_IOC_FILE_INFO => self.info(arg, user),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn merge<U, D>(&self, arg: usize, user: &U, fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        let slot = fds.reserve(true)?;
        let mut data = Merge::new_zeroed();
        user.read_bytes(arg, data.as_mut_bytes())?;
        if data.flags != 0 || data.pad != 0 {
            return Err(Errno::EINVAL);
        }
        let other = fds.sync_file(data.fd2).ok_or(Errno::ENOENT)?;
        data.name[NAME_LEN - 1] = 0;
        let fence = array::merge(&self.fence, &other).map_err(|_| Errno::ENOMEM)?;
        let file = fds.new_sync_file(SyncFile { fence, name: cut(&data.name) }, O_RDONLY);
        // Whatever went wrong, Linux says that.
        let file = file.map_err(|_| Errno::ENOMEM)?;
        data.fence = fds.number(&slot) as i32;
        user.write_bytes(arg, data.as_bytes())?;
        fds.install(slot, file);
        Ok(0)
    }

    fn info<U: UserMemory + ?Sized>(&self, arg: usize, user: &U) -> Result<usize> {
        let mut info = FileInfo::new_zeroed();
        user.read_bytes(arg, info.as_mut_bytes())?;
        if info.flags != 0 || info.pad != 0 {
            return Err(Errno::EINVAL);
        }
        let parts = self.fence.parts();
        if info.num_fences == 0 {
            info.status = self.fence.status();
        } else if (info.num_fences as usize) < parts.len() {
            return Err(Errno::EINVAL);
        } else {
            let mut rows = Vec::new();
            rows.try_reserve_exact(parts.len()).map_err(|_| Errno::ENOMEM)?;
            rows.extend(parts.iter().map(row));
            info.status = rows.iter().fold(1, |all, row| if all <= 0 { all } else { row.status });
            let at = usize::try_from(info.sync_fence_info).map_err(|_| Errno::EFAULT)?;
            user.write_bytes(at, rows.as_bytes())?;
        }
        info.name = self.name();
        info.num_fences = parts.len() as u32;
        user.write_bytes(arg, info.as_bytes())?;
        Ok(0)
    }

    /// What it was called, or else driver, timeline, context and number of its fence, as far as they fit.
    fn name(&self) -> [u8; NAME_LEN] {
        if self.name[0] != 0 {
            return self.name;
        }
        let fence = &self.fence;
        let mut text = Short([0; NAME_LEN], 0);
        text.put(fence.driver_name().as_bytes());
        text.put(b"-");
        text.put(fence.timeline_name());
        // What does not fit is cut off.
        let _ = write!(text, "{}-{}", fence.context().number(), fence.seqno());
        text.0
    }
}

fn row<P: Platform>(fence: &Fence<P>) -> FenceInfo {
    let mut row = FenceInfo::new_zeroed();
    row.obj_name = cut(fence.timeline_name());
    row.driver_name = cut(fence.driver_name().as_bytes());
    row.status = fence.status();
    row.timestamp_ns = fence.signalled().map_or(0, |how| how.timestamp);
    row
}

/// A string up to its NUL, cut to fit with one.
fn cut(text: &[u8]) -> [u8; NAME_LEN] {
    let mut short = Short([0; NAME_LEN], 0);
    short.put(text.split(|&byte| byte == 0).next().unwrap_or_default());
    short.0
}

/// A string of at most `NAME_LEN` bytes with its NUL, and how long it is without.
struct Short([u8; NAME_LEN], usize);

impl Short {
    fn put(&mut self, text: &[u8]) {
        let Short(bytes, len) = self;
        let fits = text.len().min(NAME_LEN - 1 - *len);
        bytes[*len..*len + fits].copy_from_slice(&text[..fits]);
        *len += fits;
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
