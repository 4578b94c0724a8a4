//! Locks that know their rank, and fail the test when taken out of order.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::thread::yield_now;
use std::vec::Vec;

use lock_api::{GuardSend, RawMutex, RawRwLock};

thread_local! {
    static HELD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn push(rank: u8) {
    let _own = super::suspend();
    HELD.with_borrow_mut(|held| held.push(rank));
}

fn pop(rank: u8) {
    HELD.with_borrow_mut(|held| {
        let at = held.iter().rposition(|&r| r == rank).expect("unlocked by another thread");
        held.remove(at);
    });
}

/// Fails when this thread holds a lock of rank `rank` or higher.
pub(crate) fn assert_free_below(rank: u8) {
    HELD.with_borrow(|held| assert!(held.iter().all(|&r| r < rank), "rank {rank} under {held:?}"));
}

/// A mutex of rank `RANK`.
pub(crate) struct Spin<const RANK: u8>(AtomicBool);

// SAFETY: one compare-exchange wins until the store that undoes it.
unsafe impl<const RANK: u8> RawMutex for Spin<RANK> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Spin(AtomicBool::new(false));
    type GuardMarker = GuardSend;

    fn lock(&self) {
        assert_free_below(RANK);
        while !self.try_acquire() {
            yield_now();
        }
        push(RANK);
    }

    fn try_lock(&self) -> bool {
        let won = self.try_acquire();
        if won {
            push(RANK);
        }
        won
    }

    unsafe fn unlock(&self) {
        pop(RANK);
        self.0.store(false, Ordering::Release);
    }
}

impl<const RANK: u8> Spin<RANK> {
    fn try_acquire(&self) -> bool {
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

/// A reader-writer lock of rank `RANK`: readers counted up, a writer is -1.
pub(crate) struct SpinRw<const RANK: u8>(AtomicIsize);

impl<const RANK: u8> SpinRw<RANK> {
    fn step(&self, from: isize, to: isize) -> bool {
        self.0.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: -1 excludes every other value, and a reader keeps it above zero.
unsafe impl<const RANK: u8> RawRwLock for SpinRw<RANK> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = SpinRw(AtomicIsize::new(0));
    type GuardMarker = GuardSend;

    fn lock_shared(&self) {
        assert_free_below(RANK);
        while !self.try_lock_shared() {
            yield_now();
        }
    }

    fn try_lock_shared(&self) -> bool {
        let readers = self.0.load(Ordering::Relaxed);
        let won = readers >= 0 && self.step(readers, readers + 1);
        if won {
            push(RANK);
        }
        won
    }

    unsafe fn unlock_shared(&self) {
        pop(RANK);
        self.0.fetch_sub(1, Ordering::Release);
    }

    fn lock_exclusive(&self) {
        assert_free_below(RANK);
        while !self.try_lock_exclusive() {
            yield_now();
        }
    }

    fn try_lock_exclusive(&self) -> bool {
        let won = self.step(0, -1);
        if won {
            push(RANK);
        }
        won
    }

    unsafe fn unlock_exclusive(&self) {
        pop(RANK);
        self.0.store(0, Ordering::Release);
    }
}
