//! Wait queues: the one way to sleep.
//!
//! A waiter says that it is about to sleep, puts itself on the queue, looks at its condition once more, and only then
//! leaves the CPU; a waker changes the condition first and takes waiters off the queue after. So no wake-up is lost: a
//! waiter that was taken off the queue has been woken, and goes round again if the condition does not hold.
//!
//! Most wake-ups find nobody, and take no lock to find that out: between its condition and its look at how many wait a
//! waker has a full barrier, and so has a waiter between being one of them and its second look at the condition. One of
//! the two sees the other (Linux: `waitqueue_active` and its barriers).

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use heaps::{Errno, Result};

use super::order;
use super::spin::IrqLock;
use crate::sched::{self, TaskRef};

/// What may end a sleep before its condition holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interruptible {
    /// Nothing.
    No,
    /// A signal that kills the task.
    Killable,
    /// Any signal that would be delivered.
    Yes,
}

/// Tasks waiting for something to become true. May be woken from interrupt handlers.
pub struct WaitQueue {
    waiters: IrqLock<VecDeque<TaskRef>, { order::WAIT_QUEUE }>,
    /// How many; written under their lock.
    count: AtomicUsize,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        WaitQueue { waiters: IrqLock::new(VecDeque::new()), count: AtomicUsize::new(0) }
    }

    /// Sleeps until `condition` yields a value. The condition runs without the queue's lock. Holds no spinning lock.
    pub fn wait<T>(&self, condition: impl FnMut() -> Option<T>) -> T {
        match self.wait_with(Interruptible::No, None, condition) {
            Ok(value) => value,
            Err(_) => unreachable!("a sleep nothing may interrupt was interrupted"),
        }
    }

    /// Like [`wait`](Self::wait), but ends with `EINTR` when a signal of the given kind is pending.
    pub fn wait_interruptible<T>(
        &self,
        kind: Interruptible,
        condition: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        self.wait_with(kind, None, condition)
    }

    /// The whole: `EINTR` on a signal, `ETIMEDOUT` once the clock passes `deadline` (nanoseconds since boot).
    pub fn wait_with<T>(
        &self,
        kind: Interruptible,
        deadline: Option<u64>,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        if let Some(value) = condition() {
            return Ok(value);
        }
        let me = sched::current();
        loop {
            sched::prepare_to_sleep(&me);
            self.change(|waiters| waiters.push_back(me.clone()));
            fence(Ordering::SeqCst);
            let outcome = match condition() {
                Some(value) => Some(Ok(value)),
                None if sched::interrupted(&me, kind) => Some(Err(Errno::EINTR)),
                None if deadline.is_some_and(|at| crate::arch::now_ns() >= at) => Some(Err(Errno::ETIMEDOUT)),
                None => None,
            };
            if let Some(outcome) = outcome {
                sched::cancel_sleep(&me);
                self.forget(&me);
                return outcome;
            }
            sched::sleep(deadline);
            self.forget(&me);
        }
    }

    /// Wakes the longest waiter. Returns whether there was one.
    #[inline]
    pub fn wake_one(&self) -> bool {
        self.wake(1) == 1
    }

    /// Wakes up to `most` waiters and returns how many there were.
    #[inline]
    pub fn wake(&self, most: usize) -> usize {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        (0..most).take_while(|_| self.wake_next()).count()
    }

    /// Wakes every waiter.
    #[inline]
    pub fn wake_all(&self) {
        self.wake(usize::MAX);
    }

    #[inline(never)]
    fn wake_next(&self) -> bool {
        let waiter = self.change(VecDeque::pop_front);
        waiter.inspect(sched::wake).is_some()
    }

    fn change<T>(&self, f: impl FnOnce(&mut VecDeque<TaskRef>) -> T) -> T {
        let mut waiters = self.waiters.lock();
        let outcome = f(&mut waiters);
        self.count.store(waiters.len(), Ordering::Relaxed);
        outcome
    }

    fn forget(&self, me: &TaskRef) {
        self.change(|waiters| waiters.retain(|waiter| !TaskRef::same(waiter, me)));
    }
}
