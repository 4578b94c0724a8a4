//! How much the files of one filesystem may take together (Linux: `struct shmem_sb_info`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use crate::mm::frames;

/// Pages taken, and how many there may be. Files, and the directories they are made in, share it.
pub struct Quota {
    used: AtomicUsize,
    limit: AtomicUsize,
}

impl Quota {
    /// At most `limit` pages.
    pub fn new(limit: usize) -> Arc<Quota> {
        Arc::new(Quota { used: AtomicUsize::new(0), limit: AtomicUsize::new(limit) })
    }

    /// What a filesystem in memory may take when nobody says: half of what there is.
    pub fn half_of_memory() -> Arc<Quota> {
        Quota::new(frames::total_count() / 2)
    }

    /// Pages taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many there may be.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes one page more. `ENOSPC`.
    pub fn charge(&self) -> Result<()> {
        if self.used.fetch_add(1, Ordering::Relaxed) < self.limit() {
            return Ok(());
        }
        self.uncharge(1);
        Err(Errno::ENOSPC)
    }

    /// Gives pages back.
    pub fn uncharge(&self, pages: usize) {
        self.used.fetch_sub(pages, Ordering::Relaxed);
    }

    /// Sets another limit. `EINVAL` when more is taken already.
    pub fn set_limit(&self, limit: usize) -> Result<()> {
        if limit < self.used() {
            return Err(Errno::EINVAL);
        }
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }
}
