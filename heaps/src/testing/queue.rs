//! Where tests wait, and are told that something is ready.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::TestPlatform;
use crate::platform::{Pages, PollQueue, WaitQueue};
use crate::{Errno, Result};

/// A queue that also looks for itself now and then, so that a lost wake-up fails a test by the clock alone.
#[derive(Default)]
pub(crate) struct TestQueue {
    lock: Mutex<()>,
    woken: Condvar,
}

impl WaitQueue for TestQueue {
    fn new() -> TestQueue {
        TestQueue::default()
    }

    fn wait_until(&self, done: &mut dyn FnMut() -> bool) {
        let mut lock = self.lock.lock().unwrap();
        while !done() {
            let (relocked, out) = self.woken.wait_timeout(lock, Duration::from_secs(20)).unwrap();
            assert!(!out.timed_out(), "nobody woke the queue");
            lock = relocked;
        }
    }

    fn wait_interruptible(&self, done: &mut dyn FnMut() -> bool) -> Result<()> {
        if !done() && TestPlatform::fatal_signal_pending() {
            return Err(Errno::EINTR);
        }
        self.wait_until(done);
        Ok(())
    }

    fn wake_all(&self) {
        drop(self.lock.lock().unwrap());
        self.woken.notify_all();
    }
}

/// Counts how often it was told.
#[derive(Default)]
pub(crate) struct TestPoll(pub AtomicUsize);

impl PollQueue for TestPoll {
    fn new() -> TestPoll {
        TestPoll::default()
    }

    fn notify(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
