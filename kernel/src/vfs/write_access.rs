//! Who may write: those who have a file open for it, or nobody as long as it is executed (Linux: `i_writecount`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use heaps::{Errno, Result};

use super::inode::Inode;
use super::mount_flags;
use super::uses::MAX_DEVS;

/// How many write to each filesystem.
static WRITERS: [AtomicU32; MAX_DEVS] = [const { AtomicU32::new(0) }; MAX_DEVS];

/// How many have a file open for writing; below zero, how many execute it.
#[derive(Default)]
pub struct Count(AtomicI32);

impl Count {
    /// One more to the side of `step`, 1 or -1, unless somebody is on the other. `ETXTBSY`.
    fn join(&self, step: i32) -> Result<()> {
        let joined = |count: i32| if count * step < 0 { None } else { Some(count + step) };
        let moved = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, joined);
        moved.map(drop).map_err(|_| Errno::ETXTBSY)
    }

    fn leave(&self, step: i32) {
        self.0.fetch_sub(step, Ordering::Release);
    }
}

/// Somebody may write to a file.
pub struct WriteAccess(Arc<Inode>);

impl WriteAccess {
    /// Lets somebody write. `ETXTBSY` while it is executed.
    pub fn new(inode: &Arc<Inode>) -> Result<WriteAccess> {
        inode.write_count().join(1)?;
        WRITERS[inode.dev() as usize % MAX_DEVS].fetch_add(1, Ordering::AcqRel);
        Ok(WriteAccess(inode.clone()))
    }
}

impl Drop for WriteAccess {
    fn drop(&mut self) {
        WRITERS[self.0.dev() as usize % MAX_DEVS].fetch_sub(1, Ordering::AcqRel);
        self.0.write_count().leave(1);
    }
}

/// A file is executed: nobody may open it for writing.
pub struct DenyWrite(Arc<Inode>);

impl DenyWrite {
    /// Keeps others from writing. `ETXTBSY` where somebody may.
    pub fn new(inode: &Arc<Inode>) -> Result<DenyWrite> {
        inode.write_count().join(-1)?;
        Ok(DenyWrite(inode.clone()))
    }
}

impl Drop for DenyWrite {
    fn drop(&mut self) {
        self.0.write_count().leave(-1);
    }
}

/// Whether anybody writes to a filesystem.
pub fn is_written(dev: u32) -> bool {
    WRITERS[dev as usize % MAX_DEVS].load(Ordering::Acquire) > 0
}

/// `EROFS` where a filesystem is read-only.
pub fn want_write(inode: &Inode) -> Result<()> {
    if mount_flags::has(inode.dev(), mount_flags::RDONLY) { Err(Errno::EROFS) } else { Ok(()) }
}
