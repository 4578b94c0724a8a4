//! Sleeping locks: a waiter leaves the CPU. Not for interrupt handlers, not under a spinning lock.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use lock_api::{GuardNoSend, RawMutex, RawRwLock};

use super::order::{self, Rank};
use super::wait::WaitQueue;
use crate::sched;

/// Mutual exclusion whose waiters sleep.
pub type Mutex<T, const RANK: Rank> = lock_api::Mutex<RawSleepMutex<RANK>, T>;
/// The guard of a [`Mutex`].
pub type MutexGuard<'a, T, const RANK: Rank> = lock_api::MutexGuard<'a, RawSleepMutex<RANK>, T>;
/// Many readers or one writer; waiters sleep, and a waiting writer holds back new readers.
pub type RwLock<T, const RANK: Rank> = lock_api::RwLock<RawSleepRwLock<RANK>, T>;

/// The raw lock behind [`Mutex`].
pub struct RawSleepMutex<const RANK: Rank> {
    /// `FREE`, or who holds it: a task's number and 1, for idle tasks have 0.
    holder: AtomicU32,
    queue: WaitQueue,
}

const FREE: u32 = 0;

fn me() -> u32 {
    sched::current_tid() + 1
}

impl<const RANK: Rank> RawSleepMutex<RANK> {
    #[inline]
    fn try_take(&self) -> bool {
        self.holder.compare_exchange(FREE, me(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether the running task holds it.
    fn is_mine(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == me()
    }
}

// SAFETY: `holder` goes from FREE to a task for one caller only, and back only in unlock.
unsafe impl<const RANK: Rank> RawMutex for RawSleepMutex<RANK> {
    const INIT: Self = RawSleepMutex { holder: AtomicU32::new(FREE), queue: WaitQueue::new() };
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        order::acquire_unless(RANK, || self.is_mine());
        if !self.try_take() {
            self.queue.wait(|| self.try_take().then_some(()));
        }
    }

    fn try_lock(&self) -> bool {
        let taken = self.try_take();
        if taken {
            order::acquired_by_try(RANK);
        }
        taken
    }

    unsafe fn unlock(&self) {
        self.holder.store(FREE, Ordering::Release);
        order::release(RANK);
        self.queue.wake_one();
    }
}

/// The raw lock behind [`RwLock`].
pub struct RawSleepRwLock<const RANK: Rank> {
    /// Number of readers, or `WRITER`.
    state: AtomicUsize,
    writers_waiting: AtomicUsize,
    queue: WaitQueue,
}

const WRITER: usize = usize::MAX;

impl<const RANK: Rank> RawSleepRwLock<RANK> {
    fn try_read(&self) -> bool {
        self.writers_waiting.load(Ordering::Relaxed) == 0
            && self
                .state
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |n| {
                    n.checked_add(1).filter(|&n| n != WRITER)
                })
                .is_ok()
    }

    fn try_write(&self) -> bool {
        self.state.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: `state` counts readers or says WRITER; each transition is one atomic read-modify-write.
unsafe impl<const RANK: Rank> RawRwLock for RawSleepRwLock<RANK> {
    const INIT: Self = RawSleepRwLock {
        state: AtomicUsize::new(0),
        writers_waiting: AtomicUsize::new(0),
        queue: WaitQueue::new(),
    };
    type GuardMarker = GuardNoSend;

    fn lock_shared(&self) {
        order::acquire(RANK);
        if !self.try_read() {
            self.queue.wait(|| self.try_read().then_some(()));
        }
    }

    fn try_lock_shared(&self) -> bool {
        let taken = self.try_read();
        if taken {
            order::acquired_by_try(RANK);
        }
        taken
    }

    unsafe fn unlock_shared(&self) {
        let before = self.state.fetch_sub(1, Ordering::Release);
        order::release(RANK);
        if before == 1 {
            self.queue.wake_all();
        }
    }

    fn lock_exclusive(&self) {
        order::acquire(RANK);
        if !self.try_write() {
            self.writers_waiting.fetch_add(1, Ordering::Relaxed);
            self.queue.wait(|| self.try_write().then_some(()));
            self.writers_waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn try_lock_exclusive(&self) -> bool {
        let taken = self.try_write();
        if taken {
            order::acquired_by_try(RANK);
        }
        taken
    }

    unsafe fn unlock_exclusive(&self) {
        self.state.store(0, Ordering::Release);
        order::release(RANK);
        self.queue.wake_all();
    }
}
