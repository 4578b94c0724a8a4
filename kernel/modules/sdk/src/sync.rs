//! Locks for modules.

use alloc::boxed::Box;

use heaps::Result;

use crate::exports::{self, RawLock};

/// A lock for short work that does not sleep, and takes no other.
pub type SpinLock<T> = spin::Mutex<T>;

/// A sleeping lock, of the kernel's: its place in the lock order is that of a provider's own, and it is checked.
pub struct Lock(Box<dyn RawLock>);

impl Lock {
    /// A lock nobody holds. `ENOMEM`.
    pub fn new() -> Result<Lock> {
        exports::new_lock().map(Lock)
    }

    /// Does `work` with the lock held. May sleep.
    pub fn with(&self, work: impl FnOnce()) {
        let mut work = Some(work);
        self.0.with(&mut || {
            if let Some(work) = work.take() {
                work();
            }
        });
    }
}
