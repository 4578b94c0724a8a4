//! How often each filesystem is in use, by its number: open files, and directories that processes are in.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

/// Filesystem numbers there may be.
pub const MAX_DEVS: usize = 256;

static USES: [AtomicU32; MAX_DEVS] = [const { AtomicU32::new(0) }; MAX_DEVS];

/// One use of a filesystem. Dropping it is not under a lock: the last use of one that was unmounted meanwhile takes it
/// down.
pub struct Use(u32);

impl Use {
    /// Of the filesystem `dev`.
    pub fn of(dev: u32) -> Use {
        USES[dev as usize % MAX_DEVS].fetch_add(1, Ordering::Relaxed);
        Use(dev)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if USES[self.0 as usize % MAX_DEVS].fetch_sub(1, Ordering::AcqRel) == 1 {
            super::mounts::unused();
        }
    }
}

/// Whether a filesystem is in use.
pub fn is_used(dev: u32) -> bool {
    USES[dev as usize % MAX_DEVS].load(Ordering::Acquire) > 0
}
