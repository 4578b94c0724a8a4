//! epoll: a file that watches others. Models `fs/eventpoll.c`.
//!
//! * `item`: one file watched, and what its notifications do
//! * `ready`: the items that may be ready, in the order they became so
//! * `nest`: which epolls may watch which
//!
//! An item belongs to an open file, not to its descriptor: it goes with the file's last close, and holds no reference
//! that would put that off. A notification puts the item on the ready list; a harvest polls what is there, so that its
//! cost goes with the number of ready files and not with that of watched ones.
#![forbid(unsafe_code)]

mod item;
mod nest;
mod ready;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::{self, Write};
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};
use spin::Once;

use super::anon;
use super::file::{Events, File, FileOps, POLLERR, POLLHUP, POLLIN, POLLOUT, READABLE, Whence, put};
use super::flags::O_RDWR;
use super::poll::PollQueue;
use crate::mm::admit::admit;
use crate::sync::wait::Interruptible;
use crate::sync::{Mutex, SpinLock, WaitQueue, order};
use item::{Item, Key};
use ready::Ready;

/// Of several epolls that watch the same, those after one that somebody waits at are not told.
pub const EPOLLEXCLUSIVE: Events = 1 << 28;
/// Keep the machine awake; it never sleeps.
pub const EPOLLWAKEUP: Events = 1 << 29;
/// Report once, then not until changed.
pub const EPOLLONESHOT: Events = 1 << 30;
/// Report when it becomes ready, not while it is.
pub const EPOLLET: Events = 1 << 31;
/// The flags among the events.
const FLAGS: Events = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/// What may be asked for together with `EPOLLEXCLUSIVE`.
const WITH_EXCLUSIVE: Events = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// What is to be known of a file, and what to call it: `struct epoll_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Events and flags.
    pub events: Events,
    /// Handed back with them.
    pub data: u64,
}

/// What `epoll_ctl` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Watch a file.
    Add(Interest),
    /// Watch it for something else.
    Modify(Interest),
    /// Watch it no longer.
    Delete,
}

/// What an epoll file and its items share.
pub struct Epoll {
    items: SpinLock<BTreeMap<Key, Arc<Item>>, { order::EPOLL_ITEMS }>,
    ready: Ready,
    /// One harvest at a time: a ready item that is being looked at is not missed by another's.
    turn: Mutex<(), { order::EPOLL }>,
    waiters: WaitQueue,
    watched: PollQueue,
    file: Once<Weak<File>>,
}

/// The operations of an epoll file; dropping them forgets every item.
struct EpollFile(Arc<Epoll>);

/// A new epoll. `ENFILE`, `ENOMEM`.
pub fn new() -> Result<Arc<File>> {
    admit()?;
    let epoll = Arc::new(Epoll {
        items: SpinLock::new(BTreeMap::new()),
        ready: Ready::new(),
        turn: Mutex::new(()),
        waiters: WaitQueue::new(),
        watched: PollQueue::new(),
        file: Once::new(),
    });
    let file = anon::file(O_RDWR, EpollFile(epoll.clone()))?;
    epoll.file.call_once(|| Arc::downgrade(&file));
    Ok(file)
}

/// The epoll behind a file, if it is one.
pub fn of(file: &File) -> Option<&Arc<Epoll>> {
    let ops: &dyn Any = file.ops();
    ops.downcast_ref::<EpollFile>().map(|EpollFile(epoll)| epoll)
}

/// `epoll_ctl`: lets the epoll `at` watch `file`, known as `fd`, or no longer. `EPERM` for files that cannot be
/// watched, `EINVAL`, `EEXIST`, `ENOENT`, `ELOOP`, `ENOMEM`. May sleep.
pub fn control(at: &Arc<File>, file: &Arc<File>, fd: i32, change: Change) -> Result<()> {
    let queue = file.ops().poll_queue().ok_or(Errno::EPERM)?;
    let epoll = of(at).filter(|_| !Arc::ptr_eq(at, file)).ok_or(Errno::EINVAL)?;
    let key = Key::new(file, fd);
    match change {
        Change::Add(interest) => {
            let exclusive = interest.events & EPOLLEXCLUSIVE != 0;
            if exclusive && (of(file).is_some() || interest.events & !WITH_EXCLUSIVE != 0) {
                return Err(Errno::EINVAL);
            }
            nest::guarded(at, file, || epoll.add(file, queue, key, interest))
        }
        Change::Modify(interest) if interest.events & EPOLLEXCLUSIVE != 0 => Err(Errno::EINVAL),
        Change::Modify(interest) => epoll.modify(file, key, interest),
        Change::Delete => epoll.delete(file, queue, key),
    }
}

impl Epoll {
    fn add(
        self: &Arc<Self>,
        file: &Arc<File>,
        queue: &PollQueue,
        key: Key,
        interest: Interest,
    ) -> Result<()> {
        admit()?;
        let item = Arc::new(Item::new(self, file, key, interest));
        self.ready.enter()?;
        {
            let mut items = self.items.lock();
            if items.contains_key(&key) {
                drop(items);
                self.ready.leave(&item);
                return Err(Errno::EEXIST);
            }
            items.insert(key, item.clone());
        }
        let exclusive = interest.events & EPOLLEXCLUSIVE != 0;
        if let Err(e) = file.add_link(item.clone()).and_then(|()| queue.add(item.clone(), exclusive)) {
            self.forget(&item);
            item.unwatch(file, queue);
            return Err(e);
        }
        self.look(item, file);
        Ok(())
    }

    fn modify(&self, file: &Arc<File>, key: Key, interest: Interest) -> Result<()> {
        let item = self.items.lock().get(&key).cloned().ok_or(Errno::ENOENT)?;
        if item.events() & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        {
            let _turn = self.turn.lock();
            item.set(interest);
        }
        self.look(item, file);
        Ok(())
    }

    fn delete(&self, file: &Arc<File>, queue: &PollQueue, key: Key) -> Result<()> {
        let item = self.items.lock().get(&key).cloned().ok_or(Errno::ENOENT)?;
        self.forget(&item);
        item.unwatch(file, queue);
        Ok(())
    }

    /// Takes an item's notice of what its file is now.
    fn look(&self, item: Arc<Item>, file: &File) {
        if item.wanted(file.poll()) != 0 {
            self.post(item);
        }
    }

    /// Takes an item off both lists.
    fn forget(&self, item: &Arc<Item>) {
        let mut items = self.items.lock();
        let removed = items.remove(&item.key());
        if items.is_empty() {
            // An emptied map keeps a node.
            *items = BTreeMap::new();
        }
        drop(items);
        if removed.is_some() {
            self.ready.leave(item);
        }
    }

    /// An item may be ready; returns whether that ended somebody's waiting. From any context that holds no lock of a
    /// poll queue's rank or above.
    fn post(&self, item: Arc<Item>) -> bool {
        if !self.ready.push(item) {
            return false;
        }
        let woken = self.waiters.wake_one();
        self.watched.notify(READABLE);
        woken
    }

    /// Waits until the deadline, in nanoseconds since boot, for events, and hands them to `put`, at most `most` of
    /// them; returns how many there were. A deadline of 0 does not wait. `EINTR`, and `put`'s first error if it is
    /// about the first of them. May sleep.
    pub fn wait(
        &self,
        most: usize,
        deadline: Option<u64>,
        put: &mut dyn FnMut(Interest) -> Result<()>,
    ) -> Result<usize> {
        loop {
            let got = self.harvest(most, put)?;
            if got > 0 || deadline == Some(0) {
                return Ok(got);
            }
            let some = || (!self.ready.is_empty()).then_some(());
            let waited = self.waiters.wait_with(Interruptible::Yes, deadline, some);
            if let Err(e) = waited {
                // A wake-up that came too late for this one is for another.
                self.pass_on();
                return if e == Errno::ETIMEDOUT { Ok(0) } else { Err(e) };
            }
        }
    }

    fn pass_on(&self) {
        if !self.ready.is_empty() {
            self.waiters.wake_one();
        }
    }

    fn harvest(&self, most: usize, put: &mut dyn FnMut(Interest) -> Result<()>) -> Result<usize> {
        let turn = self.turn.lock();
        let mut got = 0;
        for _ in 0..self.ready.len() {
            let Some((item, seen)) = self.ready.first().filter(|_| got < most) else { break };
            let events = item.poll();
            if events == 0 {
                self.ready.retire(&item, seen);
                continue;
            }
            if let Err(e) = put(Interest { events, data: item.data() }) {
                let lost = if got == 0 { Err(e) } else { Ok(got) };
                drop(turn);
                self.pass_on();
                return lost;
            }
            got += 1;
            item.delivered();
            self.ready.settle(&item, seen, item.events() & (EPOLLET | EPOLLONESHOT) == 0);
        }
        drop(turn);
        self.pass_on();
        Ok(got)
    }

    /// All items. `ENOMEM`.
    fn all(&self) -> Result<Vec<Arc<Item>>> {
        let items = self.items.lock();
        let mut all = Vec::new();
        all.try_reserve_exact(items.len()).map_err(|_| Errno::ENOMEM)?;
        all.extend(items.values().cloned());
        Ok(all)
    }
}

impl FileOps for EpollFile {
    fn poll(&self, _: &File) -> Events {
        // What is on the list may have gone by since.
        if self.0.ready.any(|item| item.poll() != 0) { READABLE } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.0.watched)
    }

    fn llseek(&self, _: &File, _: i64, _: Whence) -> Result<u64> {
        Ok(0)
    }

    fn show_fdinfo(&self, to: &mut dyn Write, _: usize) -> fmt::Result {
        for item in self.0.all().map_err(|_| fmt::Error)? {
            let Some(file) = item.file() else { continue };
            writeln!(
                to,
                "tfd: {:8} events: {:8x} data: {:16x}  pos:{} ino:{:x} sdev:{:x}",
                item.key().fd(),
                item.events(),
                item.data(),
                file.pos(),
                file.inode().ino(),
                file.inode().dev()
            )?;
        }
        Ok(())
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:[eventpoll]".into())
    }
}

impl Drop for EpollFile {
    fn drop(&mut self) {
        let items = core::mem::take(&mut *self.0.items.lock());
        for item in items.into_values() {
            self.0.ready.leave(&item);
            // A file that is being closed takes the item off its queue itself.
            if let Some(file) = item.file()
                && let Some(queue) = file.ops().poll_queue()
            {
                item.unwatch(&file, queue);
            }
        }
    }
}
