//! A mutex over futex (after Drepper's second one: 0 free, 1 held, 2 held and waited for).

use super::call;
use crate::rt::abi::{self, nr};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

/// A mutex for the threads of one process.
pub struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the guard gives out one `&mut T` at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Lock<T> {
        Lock { state: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits for it and takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        if self.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            while self.state.swap(2, Ordering::Acquire) != 0 {
                futex_wait(&self.state, 2);
            }
        }
        Guard(self)
    }
}

/// The lock, held.
pub struct Guard<'a, T>(&'a Lock<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if self.0.state.swap(0, Ordering::Release) == 2 {
            futex_wake(&self.0.state, 1);
        }
    }
}

/// Sleeps while `word` is `seen`; may return early.
pub fn futex_wait(word: &AtomicU32, seen: u32) {
    // SAFETY: the kernel reads the word, atomically.
    let _ = unsafe { call(nr::FUTEX, [word.as_ptr() as usize, abi::FUTEX_WAIT, seen as usize, 0, 0, 0]) };
}

/// As [`futex_wait`], at most `ns` nanoseconds.
pub fn futex_wait_for(word: &AtomicU32, seen: u32, ns: u64) -> heaps::uapi::errno::Result<()> {
    let time = [ns / 1_000_000_000, ns % 1_000_000_000];
    let args = [word.as_ptr() as usize, abi::FUTEX_WAIT, seen as usize, &raw const time as usize, 0, 0];
    // SAFETY: the kernel reads the word, atomically, and one timespec.
    unsafe { call(nr::FUTEX, args) }.map(drop)
}

/// Wakes up to `count` sleepers on `word`; how many there were.
pub fn futex_wake(word: &AtomicU32, count: usize) -> usize {
    // SAFETY: the kernel uses the address as a name.
    unsafe { call(nr::FUTEX, [word.as_ptr() as usize, abi::FUTEX_WAKE, count, 0, 0, 0]) }.unwrap_or(0)
}
