//! Event counters: a number that writing adds to and reading takes. Models `fs/eventfd.c`.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use heaps::{Errno, Result};

use super::anon;
use super::file::{Events, File, FileOps, POLLERR, POLLIN, POLLOUT, Whence};
use super::flags::{O_NONBLOCK, O_RDWR};
use super::io::{Sink, Source};
use super::poll::PollQueue;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};

/// Most the counter holds.
const MOST: u64 = u64::MAX - 1;

static NEXT_ID: AtomicU32 = AtomicU32::new(0);

struct EventFd {
    count: SpinLock<u64, { order::PIPE }>,
    /// Whether a read takes 1 instead of everything.
    semaphore: bool,
    id: u32,
    changed: WaitQueue,
    watched: PollQueue,
}

/// A counter that starts at `count`; `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(count: u32, semaphore: bool, flags: u32) -> Result<Arc<File>> {
    let counter = EventFd {
        count: SpinLock::new(u64::from(count)),
        semaphore,
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        changed: WaitQueue::new(),
        watched: PollQueue::new(),
    };
    anon::file(O_RDWR | flags, counter)
}

impl EventFd {
    /// Sleeps until `change` could be made. `EAGAIN` where the file may not block, `EINTR`.
    fn wait(&self, file: &File, change: impl Fn(&mut u64) -> Option<u64>) -> Result<u64> {
        let attempt = || change(&mut self.count.lock());
        if file.flags() & O_NONBLOCK != 0 {
            return attempt().ok_or(Errno::EAGAIN);
        }
        self.changed.wait_interruptible(Interruptible::Yes, attempt)
    }

    fn note(&self, events: Events) {
        self.changed.wake_all();
        self.watched.notify(events);
    }
}

impl FileOps for EventFd {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        if to.room() < 8 {
            return Err(Errno::EINVAL);
        }
        let taken = self.wait(file, |count| {
            let taken = if self.semaphore { (*count).min(1) } else { *count };
            *count -= taken;
            (taken > 0).then_some(taken)
        })?;
        self.note(POLLOUT);
        to.put(&taken.to_ne_bytes())?;
        Ok(8)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        if from.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        from.take(&mut bytes)?;
        let add = u64::from_ne_bytes(bytes);
        if add > MOST {
            return Err(Errno::EINVAL);
        }
        self.wait(file, |count| {
            let sum = count.checked_add(add).filter(|&sum| sum <= MOST)?;
            *count = sum;
            Some(sum)
        })?;
        self.note(POLLIN);
        Ok((8, 0))
    }

    fn poll(&self, _: &File) -> Events {
        match *self.count.lock() {
            0 => POLLOUT,
            u64::MAX => POLLIN | POLLERR,
            MOST => POLLIN,
            _ => POLLIN | POLLOUT,
        }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.watched)
    }

    fn llseek(&self, _: &File, _: i64, _: Whence) -> Result<u64> {
        Ok(0)
    }

    fn show_fdinfo(&self, to: &mut dyn Write, _: usize) -> fmt::Result {
        let count = *self.count.lock();
        writeln!(to, "eventfd-count: {count:16x}\neventfd-id: {}", self.id)
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:[eventfd]".into())
    }
}
