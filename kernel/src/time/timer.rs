//! Timers: things that happen at a time (Linux: `kernel/time/hrtimer.c`, the part of it that runs in tasks).
//!
//! The tick only notes that something is due; it happens in a task's context, on the way to user space or in the idle
//! loop, where spinning locks may be taken.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::clock::Base;
use crate::sched;
use crate::sync::{IrqLock, order};

/// What happens.
pub trait Expire: Send + Sync {
    /// Its time may have come; whoever changes the time meanwhile looks for itself. With no lock held; must not sleep.
    fn expire(self: Arc<Self>);
}

/// By time and object.
type Queue = BTreeMap<(u64, usize), Arc<dyn Expire>>;

/// A queue for each clock.
static QUEUES: IrqLock<[Queue; 2], { order::TIMERS }> = IrqLock::new([BTreeMap::new(), BTreeMap::new()]);
/// When the first of them is due, in nanoseconds since boot.
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
/// Whether something is due that has not happened yet.
static DUE: AtomicBool = AtomicBool::new(false);

const BASES: [Base; 2] = [Base::Monotonic, Base::Realtime];

/// Lets `what` happen when the clock shows `at`. An object is started once at a time.
pub fn start(base: Base, at: u64, what: Arc<dyn Expire>) {
    let mut queues = QUEUES.lock();
    queues[base as usize].insert((at, Arc::as_ptr(&what).addr()), what);
    note_next(&queues);
    drop(queues);
    sched::rearm_timer();
}

/// Takes [`start`] back. It may be happening all the same.
pub fn stop<E: ?Sized>(base: Base, at: u64, what: &Arc<E>) {
    let mut queues = QUEUES.lock();
    let removed = queues[base as usize].remove(&(at, Arc::as_ptr(what).addr()));
    note_next(&queues);
    drop(queues);
    drop(removed);
}

/// When the timer has to interrupt, in nanoseconds since boot.
pub fn next() -> u64 {
    // What is due waits for a task, not for another interrupt.
    if DUE.load(Ordering::Relaxed) { u64::MAX } else { NEXT.load(Ordering::Relaxed) }
}

/// Notes what is due; returns whether something is. From the timer's interrupt.
pub fn note_due(now: u64) -> bool {
    let due = NEXT.load(Ordering::Relaxed) <= now;
    if due {
        DUE.store(true, Ordering::Relaxed);
    }
    due
}

/// Lets happen what was [noted](note_due). With no lock held.
pub fn run_due() {
    if DUE.load(Ordering::Relaxed) && DUE.swap(false, Ordering::Relaxed) {
        expire_due();
        sched::rearm_timer();
    }
}

/// Lets happen what is due. With no lock held.
pub fn expire_due() {
    while let Some(what) = pop_due() {
        what.expire();
    }
}

fn pop_due() -> Option<Arc<dyn Expire>> {
    let mut queues = QUEUES.lock();
    let due =
        |base: &Base, queue: &Queue| queue.first_key_value().is_some_and(|(&(at, _), _)| at <= base.now());
    let base = BASES.into_iter().find(|base| due(base, &queues[*base as usize]))?;
    let first = queues[base as usize].pop_first();
    note_next(&queues);
    first.map(|(_, what)| what)
}

/// The time of day was set.
pub(super) fn clock_was_set() {
    note_next(&QUEUES.lock());
    sched::rearm_timer();
}

fn note_next(queues: &[Queue; 2]) {
    let first =
        |base: &Base| queues[*base as usize].first_key_value().map(|(&(at, _), _)| base.to_monotonic(at));
    let next = BASES.iter().filter_map(first).min().unwrap_or(u64::MAX);
    // The clock of a time of day before boot shows none.
    NEXT.store(if next == u64::MAX { next } else { next.max(1) }, Ordering::Relaxed);
}

/// A time that comes again: how often `interval` has passed between `from` and `now`, and when it comes next.
pub fn forward(from: u64, interval: u64, now: u64) -> (u64, u64) {
    if now < from {
        return (0, from);
    }
    let passed = (now - from) / interval + 1;
    (passed, from.saturating_add(passed.saturating_mul(interval)))
}

/// When a timer expires, by `now` of its clock: `after` nanoseconds from now.
pub fn in_future(now: u64, after: u64) -> u64 {
    now.saturating_add(after).min(i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::now_ns;
    use core::sync::atomic::AtomicUsize;

    struct Bell(AtomicUsize);

    impl Expire for Bell {
        fn expire(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_due_happens_once_and_what_was_stopped_does_not() {
        let bells: [_; 3] = core::array::from_fn(|_| Arc::new(Bell(AtomicUsize::new(0))));
        let now = now_ns();
        start(Base::Monotonic, now, bells[0].clone());
        start(Base::Monotonic, now, bells[1].clone());
        start(Base::Monotonic, u64::MAX - 1, bells[2].clone());
        stop(Base::Monotonic, now, &bells[1]);
        expire_due();
        expire_due();
        assert_eq!(bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed)), [1, 0, 0]);
        stop(Base::Monotonic, u64::MAX - 1, &bells[2]);
    }

    #[test]
    fn intervals_are_counted_forward() {
        assert_eq!(forward(100, 10, 99), (0, 100));
        assert_eq!(forward(100, 10, 100), (1, 110));
        assert_eq!(forward(100, 10, 129), (3, 130));
        assert_eq!(forward(100, u64::MAX, 129), (1, u64::MAX));
    }
}
