//! How many open files there are, and may be (Linux: `nr_files` and `file-max` of `fs/file_table.c`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(65536);

/// How many open files exist, for the leak oracle.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// How many may exist at once.
pub fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Lets at most `files` exist at once; beyond, opening is `ENFILE`.
pub fn set_limit(files: usize) {
    LIMIT.store(files, Ordering::Relaxed);
}

/// One unit of the count of open files.
pub(super) struct Counted;

impl Counted {
    /// Counts a file that is about to be; `ENFILE`.
    pub(super) fn new() -> Result<Counted> {
        if LIVE.fetch_add(1, Ordering::Relaxed) >= LIMIT.load(Ordering::Relaxed) {
            LIVE.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENFILE);
        }
        Ok(Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
