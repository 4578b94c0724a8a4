//! Spinning locks: `spin`'s ticket-free mutex behind `lock_api`, with the lock order checked.
//!
//! The kernel is not preempted at EL1, so a plain [`SpinLock`] need not mask interrupts; a lock that an
//! interrupt handler takes too is an [`IrqLock`], which does.
#![allow(unsafe_code)]

use core::cell::Cell;

use lock_api::{GuardNoSend, RawMutex};

use super::order::{self, Rank};
use crate::arch;

/// Mutual exclusion by spinning; not for data that interrupt handlers touch.
pub type SpinLock<T, const RANK: Rank> = lock_api::Mutex<RawSpin<RANK>, T>;
/// The guard of a [`SpinLock`].
pub type SpinGuard<'a, T, const RANK: Rank> = lock_api::MutexGuard<'a, RawSpin<RANK>, T>;
/// Mutual exclusion by spinning with interrupts masked on this CPU.
pub type IrqLock<T, const RANK: Rank> = lock_api::Mutex<RawIrqSpin<RANK>, T>;
/// The guard of an [`IrqLock`].
pub type IrqGuard<'a, T, const RANK: Rank> = lock_api::MutexGuard<'a, RawIrqSpin<RANK>, T>;

/// How long anybody may hold a spinning lock: no CPU that runs is kept from it this long.
const PATIENCE_NS: u64 = 30_000_000_000;
/// The same for a CPU that holds a lock of the same rank already: most likely this one, which was reported.
const SHORT_PATIENCE_NS: u64 = 200_000_000;

/// The raw lock behind [`SpinLock`].
pub struct RawSpin<const RANK: Rank>(spin::mutex::SpinMutex<()>);

impl<const RANK: Rank> RawSpin<RANK> {
    const fn unlocked() -> Self {
        RawSpin(spin::mutex::SpinMutex::new(()))
    }

    #[cold]
    fn spin(&self, again: bool) {
        let patience = arch::now_ns() + if again { SHORT_PATIENCE_NS } else { PATIENCE_NS };
        while !self.try_take() {
            while self.0.is_locked() {
                core::hint::spin_loop();
                assert!(arch::now_ns() < patience, "deadlock: {} is not released", order::name(RANK));
            }
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.0.try_lock().map(core::mem::forget).is_some()
    }
}

// SAFETY: exclusion comes from `spin`'s mutex, whose guard is forgotten on lock and released by force on unlock.
unsafe impl<const RANK: Rank> RawMutex for RawSpin<RANK> {
    const INIT: Self = {
        // An interrupt under such a lock may take any lock that handlers take, so it has to rank below them all.
        assert!(RANK < order::FIRST_MASKED, "a lock of this rank has to mask interrupts");
        Self::unlocked()
    };
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        let again = order::holds(RANK);
        order::acquire(RANK);
        if !self.try_take() {
            self.spin(again);
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        let taken = self.try_take();
        if taken {
            order::acquired_by_try(RANK);
        }
        taken
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock (RawMutex::unlock).
        unsafe { self.0.force_unlock() };
        order::release(RANK);
    }
}

/// The raw lock behind [`IrqLock`]; it keeps the holder's interrupt mask while held.
pub struct RawIrqSpin<const RANK: Rank> {
    inner: RawSpin<RANK>,
    saved: Cell<arch::IrqFlags>,
}

// SAFETY: `saved` is only touched by the holder of `inner`.
unsafe impl<const RANK: Rank> Sync for RawIrqSpin<RANK> {}
// SAFETY: nothing in it is bound to a thread.
unsafe impl<const RANK: Rank> Send for RawIrqSpin<RANK> {}

// SAFETY: as for RawSpin; masking interrupts adds to the exclusion and takes nothing from it.
unsafe impl<const RANK: Rank> RawMutex for RawIrqSpin<RANK> {
    const INIT: Self = RawIrqSpin { inner: RawSpin::unlocked(), saved: Cell::new(arch::IrqFlags::NONE) };
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        let flags = arch::irq_save();
        self.inner.lock();
        self.saved.set(flags);
    }

    #[inline]
    fn try_lock(&self) -> bool {
        let flags = arch::irq_save();
        let taken = self.inner.try_lock();
        if taken {
            self.saved.set(flags);
        } else {
            arch::irq_restore(flags);
        }
        taken
    }

    #[inline]
    unsafe fn unlock(&self) {
        let flags = self.saved.get();
        // SAFETY: the caller holds the lock.
        unsafe { self.inner.unlock() };
        arch::irq_restore(flags);
    }
}
