//! A sleepable RCU: readers may sleep, and a grace period waits for those there were (Linux: `srcutree.c`,
//! reduced to one level).
//!
//! A reader counts itself in and out, in the counters of whichever CPU it is on, under one of two indexes; the
//! index lives in the reader's guard, on its stack, never in what readers share. A grace period turns readers to
//! the other index and waits until as many have left the old one as had entered. It does so twice: a reader that
//! picked its index just before a turn may count itself in just after the wait.

use crate::platform::WaitQueue;
use crate::sync::{AtomicU32, Ordering, fence};

/// Groups of counters; CPUs share them when there are more.
const SLOTS: usize = if cfg!(feature = "loom") { 2 } else { 8 };

/// One CPU's counters, by index, on a cache line of their own.
#[derive(Debug)]
#[repr(align(64))]
struct Slot {
    entered: [AtomicU32; 2],
    left: [AtomicU32; 2],
}

/// A domain of readers and grace periods.
#[derive(Debug)]
pub struct Srcu<W: WaitQueue> {
    turns: AtomicU32,
    updating: AtomicU32,
    slots: [Slot; SLOTS],
    queue: W,
}

impl<W: WaitQueue> Srcu<W> {
    /// A domain without readers.
    pub fn new() -> Srcu<W> {
        let pair = || [AtomicU32::new(0), AtomicU32::new(0)];
        Srcu {
            turns: AtomicU32::new(0),
            updating: AtomicU32::new(0),
            slots: core::array::from_fn(|_| Slot { entered: pair(), left: pair() }),
            queue: W::new(),
        }
    }

    /// Enters a read-side section on CPU `cpu`; it may sleep, end on another CPU, and nest.
    pub fn read(&self, cpu: usize) -> ReadGuard<'_, W> {
        let index = (self.turns.load(Ordering::Relaxed) & 1) as usize;
        let slot = cpu % SLOTS;
        self.slots[slot].entered[index].fetch_add(1, Ordering::Relaxed);
        // Either the grace period's sum sees this reader, or this reader sees what was changed before it.
        fence(Ordering::SeqCst);
        ReadGuard { srcu: self, index, slot }
    }

    /// Waits for every section that was entered before. What the caller changed before the call is seen by every
    /// section entered since. Sleeps; must not be called from within a section.
    pub fn synchronize(&self) {
        let claim = || self.updating.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        self.queue.wait_until(&mut { claim });
        for _ in 0..2 {
            fence(Ordering::SeqCst);
            let old = (self.turns.fetch_add(1, Ordering::Relaxed) & 1) as usize;
            self.queue.wait_until(&mut || self.drained(old));
        }
        self.updating.store(0, Ordering::Release);
        self.queue.wake_all();
    }

    /// Whether all who entered under `index` have left. Those who left are summed first, so that nobody is
    /// counted out who was not counted in.
    fn drained(&self, index: usize) -> bool {
        let sum = |of: fn(&Slot) -> &[AtomicU32; 2]| {
            self.slots
                .iter()
                .fold(0u32, |sum, slot| sum.wrapping_add(of(slot)[index].load(Ordering::Acquire)))
        };
        let left = sum(|slot| &slot.left);
        fence(Ordering::SeqCst);
        left == sum(|slot| &slot.entered)
    }
}

impl<W: WaitQueue> Default for Srcu<W> {
    fn default() -> Self {
        Srcu::new()
    }
}

/// A read-side section; it ends when this is dropped.
#[derive(Debug)]
pub struct ReadGuard<'a, W: WaitQueue> {
    srcu: &'a Srcu<W>,
    index: usize,
    slot: usize,
}

impl<W: WaitQueue> Drop for ReadGuard<'_, W> {
    fn drop(&mut self) {
        let srcu = self.srcu;
        srcu.slots[self.slot].left[self.index].fetch_add(1, Ordering::Release);
        // Either a grace period that is about to sleep sees this reader gone, or it is seen here and woken.
        fence(Ordering::SeqCst);
        if srcu.updating.load(Ordering::Relaxed) != 0 {
            srcu.queue.wake_all();
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::thread;

    use super::*;
    use crate::testing::TestQueue;

    #[test]
    fn without_readers_there_is_nothing_to_wait_for() {
        let srcu = Srcu::<TestQueue>::new();
        drop(srcu.read(3));
        srcu.synchronize();
        srcu.synchronize();
    }

    #[test]
    fn a_grace_period_outlasts_the_readers_before_it_and_no_others() {
        let srcu = Srcu::<TestQueue>::new();
        let early = srcu.read(0);
        let nested = srcu.read(9);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                srcu.synchronize();
                done.store(true, Ordering::SeqCst);
            });
            while srcu.turns.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            let late = srcu.read(0);
            drop(early);
            assert!(!done.load(Ordering::SeqCst));
            drop(nested);
            drop(late);
        });
        assert!(done.load(Ordering::SeqCst));
    }

    /// What a writer replaced is not in use after the grace period, with readers and writers of several threads.
    #[test]
    fn readers_never_see_what_was_reclaimed() {
        const VERSIONS: usize = 300;
        let srcu = Srcu::<TestQueue>::new();
        let current = AtomicUsize::new(0);
        let alive: std::vec::Vec<AtomicBool> = (0..=2 * VERSIONS).map(|_| AtomicBool::new(true)).collect();
        let next = AtomicUsize::new(1);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..VERSIONS {
                        let old = current.swap(next.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        srcu.synchronize();
                        alive[old].store(false, Ordering::SeqCst);
                    }
                });
            }
            for cpu in 0..3 {
                let (srcu, current, alive) = (&srcu, &current, &alive);
                scope.spawn(move || {
                    while alive[0].load(Ordering::SeqCst) || current.load(Ordering::SeqCst) < VERSIONS {
                        let _reader = srcu.read(cpu);
                        let seen = current.load(Ordering::SeqCst);
                        thread::yield_now();
                        assert!(alive[seen].load(Ordering::SeqCst));
                    }
                });
            }
        });
    }
}
