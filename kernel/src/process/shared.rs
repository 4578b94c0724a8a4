//! What threads may share, and how many of them do (Linux: `files_struct` and `fs_struct`, which go with the last of
//! their tasks, not with the last of those who look at them).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::vfs::{FdTable, FsContext};

/// What there is to do when the last user leaves.
pub trait Release {
    /// Lets go of what it holds. May sleep.
    fn release(&self);
}

impl Release for FdTable {
    fn release(&self) {
        self.close_all();
    }
}

impl Release for FsContext {
    fn release(&self) {
        FsContext::release(self);
    }
}

/// A value, and how many threads use it.
pub struct Shared<T> {
    value: Arc<T>,
    users: AtomicUsize,
}

/// A descriptor table, and how many threads use it: the last to end closes the files.
pub type Files = Shared<FdTable>;
/// Directories, and how many threads use them.
pub type Directories = Shared<FsContext>;

impl<T: Release> Shared<T> {
    /// A value with one user.
    pub fn new(value: Arc<T>) -> Arc<Shared<T>> {
        Arc::new(Shared { value, users: AtomicUsize::new(1) })
    }

    /// One more user.
    pub fn share(self: &Arc<Shared<T>>) -> Arc<Shared<T>> {
        self.users.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &Arc<T> {
        &self.value
    }

    /// Whether there is more than one user.
    pub fn is_shared(&self) -> bool {
        self.users.load(Ordering::Acquire) > 1
    }

    /// One user less; the last one releases the value, whoever still refers to it. May sleep.
    pub fn leave(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.value.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Release for Counted {
        fn release(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_last_user_releases_it_whoever_still_looks_at_it() {
        let shared = Shared::new(Arc::new(Counted::default()));
        let looks = shared.value().clone();
        let second = shared.share();
        assert!(second.is_shared());
        second.leave();
        assert!(!shared.is_shared());
        assert_eq!(looks.0.load(Ordering::Relaxed), 0);
        shared.leave();
        assert_eq!(looks.0.load(Ordering::Relaxed), 1);
    }
}
