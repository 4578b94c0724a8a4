//! Readiness: who wants to know of it, and waiting for any of several files.
//!
//! A [`PollQueue`] belongs to what can change. A watcher enters the queue first and looks at the file after; whoever
//! changes the file does so first, under the lock that looking takes, and notifies after. So one of the two sees the
//! other. Models `include/linux/poll.h` and the waiting in `fs/select.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::file::{Events, File};
use crate::mm::admit::admit;
use crate::sync::wait::Interruptible;
use crate::sync::{IrqLock, WaitQueue, order};

/// Somebody who wants to know of readiness.
pub trait Watcher: Send + Sync {
    /// The file may be ready in these ways; 0 says nothing about how. Returns whether that ended a wait. From any
    /// context that holds no lock of a poll queue's rank or above, interrupts included.
    fn notify(self: Arc<Self>, events: Events) -> bool;
}

/// Somebody who has to know when a file is closed for good.
pub trait Link: Watcher {
    /// The last close of the file, whose queue this is. May sleep.
    fn closed(self: Arc<Self>, queue: Option<&PollQueue>);

    /// The epoll it belongs to, if that is not being closed.
    fn epoll(&self) -> Option<Arc<super::epoll::Epoll>>;
}

/// Whether both are the same object.
pub fn same<A: ?Sized, B: ?Sized>(a: &Arc<A>, b: &Arc<B>) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

struct Entry {
    place: u64,
    watcher: Arc<dyn Watcher>,
}

#[derive(Default)]
struct Entries {
    /// Sorted by place: the shared ones, then the exclusive ones.
    list: Vec<Entry>,
    next: u64,
}

/// Set in the place of an exclusive watcher.
const EXCLUSIVE: u64 = 1 << 63;

/// Those who watch something.
pub struct PollQueue {
    entries: IrqLock<Entries, { order::POLL_QUEUE }>,
    count: AtomicUsize,
    /// There was no memory for the queue that should stand here.
    missing: bool,
}

impl Default for PollQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl PollQueue {
    /// An empty queue.
    pub const fn new() -> PollQueue {
        PollQueue::with(false)
    }

    /// One that stands for a queue that could not be made: nobody can enter it.
    pub const fn missing() -> PollQueue {
        PollQueue::with(true)
    }

    const fn with(missing: bool) -> PollQueue {
        let entries = IrqLock::new(Entries { list: Vec::new(), next: 0 });
        PollQueue { entries, count: AtomicUsize::new(0), missing }
    }

    /// Lets `watcher` know from here on. Of the exclusive ones a notification goes on until one takes it. `ENOMEM`.
    pub fn add(&self, watcher: Arc<dyn Watcher>, exclusive: bool) -> Result<()> {
        admit()?;
        if self.missing {
            return Err(Errno::ENOMEM);
        }
        let mut entries = self.entries.lock();
        entries.list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let place = entries.next | if exclusive { EXCLUSIVE } else { 0 };
        entries.next += 1;
        let at = entries.list.partition_point(|entry| entry.place < place);
        entries.list.insert(at, Entry { place, watcher });
        self.count.store(entries.list.len(), Ordering::Release);
        Ok(())
    }

    /// Takes every [`add`](Self::add) of `watcher` back. A notification that is under way may still reach it.
    pub fn remove<W: ?Sized>(&self, watcher: &Arc<W>) {
        let mut entries = self.entries.lock();
        // The caller's own reference is another: none of these is the last.
        entries.list.retain(|entry| !same(&entry.watcher, watcher));
        if entries.list.is_empty() {
            // An emptied vector keeps its memory.
            entries.list = Vec::new();
        }
        self.count.store(entries.list.len(), Ordering::Release);
    }

    /// Tells everybody that readiness may have changed, in the ways of `events` or, where that is 0, in any. From any
    /// context that holds no lock of this queue's rank or above.
    #[inline]
    pub fn notify(&self, events: Events) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.notify_all(events);
        }
    }

    #[cold]
    fn notify_all(&self, events: Events) {
        let mut from = 0;
        while let Some((place, watcher)) = self.at_or_after(from) {
            let taken = watcher.notify(events);
            if taken && place & EXCLUSIVE != 0 {
                return;
            }
            from = place + 1;
        }
    }

    fn at_or_after(&self, place: u64) -> Option<(u64, Arc<dyn Watcher>)> {
        let entries = self.entries.lock();
        let at = entries.list.partition_point(|entry| entry.place < place);
        entries.list.get(at).map(|entry| (entry.place, entry.watcher.clone()))
    }
}

/// A task that waits for files.
#[derive(Default)]
struct Poller(WaitQueue);

impl Watcher for Poller {
    fn notify(self: Arc<Self>, _: Events) -> bool {
        self.0.wake_all();
        true
    }
}

/// Sleeps until `ready` says how many of `files` are, or until the deadline, in nanoseconds since boot: then it is 0.
/// `ready` must not sleep. `EINTR`, `ENOMEM`.
pub fn wait<'a>(
    files: impl Iterator<Item = &'a File> + Clone,
    deadline: Option<u64>,
    mut ready: impl FnMut() -> usize,
) -> Result<usize> {
    let mut some = || Some(ready()).filter(|&n| n > 0);
    if let Some(n) = some() {
        return Ok(n);
    }
    admit()?;
    let poller = Arc::new(Poller::default());
    let queues = files.filter_map(|file| file.ops().poll_queue());
    let added = queues.clone().try_for_each(|queue| queue.add(poller.clone(), false));
    let outcome = added.and_then(|()| poller.0.wait_with(Interruptible::Yes, deadline, some));
    queues.for_each(|queue| queue.remove(&poller));
    match outcome {
        Err(Errno::ETIMEDOUT) => Ok(0),
        outcome => outcome,
    }
}
