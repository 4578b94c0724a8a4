//! One file that an epoll watches.
#![forbid(unsafe_code)]

use super::*;
use crate::vfs::poll::{Link, Watcher};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

/// An item's name within its epoll: an open file, and the descriptor it was added by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(usize, i32);

impl Key {
    /// The key of a file known as `fd`. No other file is there while an item remembers this one.
    pub fn new(file: &Arc<File>, fd: i32) -> Key {
        Key(Arc::as_ptr(file).addr(), fd)
    }

    /// The descriptor.
    pub fn fd(self) -> i32 {
        self.1
    }
}

/// A file that is watched. It refers to the file and to the epoll without holding them.
pub struct Item {
    epoll: Weak<Epoll>,
    file: Weak<File>,
    key: Key,
    events: AtomicU32,
    data: AtomicU64,
    /// Where it is, and how often it was notified; both changed by [`Ready`] under its lock.
    pub(super) place: AtomicU8,
    pub(super) notices: AtomicU32,
}

impl Item {
    /// An item that is on no list yet.
    pub fn new(epoll: &Arc<Epoll>, file: &Arc<File>, key: Key, interest: Interest) -> Item {
        let item = Item {
            epoll: Arc::downgrade(epoll),
            file: Arc::downgrade(file),
            key,
            events: AtomicU32::new(0),
            data: AtomicU64::new(0),
            place: AtomicU8::new(0),
            notices: AtomicU32::new(0),
        };
        item.set(interest);
        item
    }

    /// Its name.
    pub fn key(&self) -> Key {
        self.key
    }

    /// What it is watched for, and the flags.
    pub fn events(&self) -> Events {
        self.events.load(Ordering::Relaxed)
    }

    /// What is handed back with its events.
    pub fn data(&self) -> u64 {
        self.data.load(Ordering::Relaxed)
    }

    /// Changes both; errors and the other end's going are always of interest. Nobody harvests meanwhile.
    pub fn set(&self, interest: Interest) {
        self.data.store(interest.data, Ordering::Relaxed);
        self.events.store(interest.events | POLLERR | POLLHUP, Ordering::Relaxed);
    }

    /// Its events were handed out.
    pub fn delivered(&self) {
        if self.events() & EPOLLONESHOT != 0 {
            self.events.fetch_and(FLAGS, Ordering::Relaxed);
        }
    }

    /// What of `events` is of interest.
    pub fn wanted(&self, events: Events) -> Events {
        events & self.events() & !FLAGS
    }

    /// The file, unless it is being closed. Not to be dropped where nothing may sleep.
    pub fn file(&self) -> Option<Arc<File>> {
        self.file.upgrade()
    }

    /// What of interest the file is ready for now. Does not sleep.
    pub fn poll(&self) -> Events {
        let Some(file) = self.file() else { return 0 };
        let events = self.wanted(file.poll());
        put(file);
        events
    }

    /// Takes it off its file's lists.
    pub fn unwatch(self: &Arc<Self>, file: &File, queue: &PollQueue) {
        queue.remove(self);
        let link: Arc<dyn Link> = self.clone();
        file.remove_link(&link);
    }
}

impl Watcher for Item {
    fn notify(self: Arc<Self>, events: Events) -> bool {
        let interest = self.events() & !FLAGS;
        if interest == 0 || (events != 0 && events & interest == 0) {
            return false;
        }
        let Some(epoll) = self.epoll.upgrade() else { return false };
        // As on Linux, who watches exclusively takes what has a direction only if it watches for that.
        let takes = match events & (POLLIN | POLLOUT) {
            0 => true,
            both if both == POLLIN | POLLOUT => false,
            way => way & interest != 0,
        };
        epoll.post(self) && takes
    }
}

impl Link for Item {
    fn closed(self: Arc<Self>, queue: Option<&PollQueue>) {
        if let Some(queue) = queue {
            queue.remove(&self);
        }
        if let Some(epoll) = self.epoll.upgrade() {
            epoll.forget(&self);
        }
    }

    fn epoll(&self) -> Option<Arc<Epoll>> {
        self.epoll.upgrade()
    }
}
