//! The items that may be ready, in the order they became so.
//!
//! There is room for every item before it is watched, so that a notification, which may come from an interrupt, never
//! allocates.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

use heaps::{Errno, Result};

use super::item::Item;
use crate::sync::{IrqLock, order};

/// Not on the list.
const IDLE: u8 = 0;
/// On the list.
const QUEUED: u8 = 1;
/// Never on the list again.
const GONE: u8 = 2;

struct List {
    queue: VecDeque<Arc<Item>>,
    /// How many items there are; there is room for them all.
    items: usize,
}

/// The list.
pub struct Ready(IrqLock<List, { order::EPOLL_READY }>);

impl Ready {
    /// An empty list.
    pub const fn new() -> Ready {
        Ready(IrqLock::new(List { queue: VecDeque::new(), items: 0 }))
    }

    /// Makes room for one item more. `ENOMEM`.
    pub fn enter(&self) -> Result<()> {
        let mut list = self.0.lock();
        let more = list.items + 1 - list.queue.len();
        list.queue.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        list.items += 1;
        Ok(())
    }

    /// Takes an item off for good, and its room.
    pub fn leave(&self, item: &Arc<Item>) {
        let mut list = self.0.lock();
        if item.place.swap(GONE, Relaxed) == QUEUED {
            list.queue.retain(|other| !Arc::ptr_eq(other, item));
        }
        list.items -= 1;
        if list.items == 0 {
            list.queue = VecDeque::new();
        }
    }

    /// Puts an item at the end unless it is there already; whether it is there now.
    pub fn push(&self, item: Arc<Item>) -> bool {
        let mut list = self.0.lock();
        item.notices.fetch_add(1, Relaxed);
        match item.place.load(Relaxed) {
            GONE => return false,
            QUEUED => {}
            _ => {
                item.place.store(QUEUED, Relaxed);
                list.queue.push_back(item);
            }
        }
        true
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.0.lock().queue.is_empty()
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// The first, and how often it had been notified.
    pub fn first(&self) -> Option<(Arc<Item>, u32)> {
        let list = self.0.lock();
        list.queue.front().map(|item| (item.clone(), item.notices.load(Relaxed)))
    }

    /// Takes the first off: it was looked at and is not ready. If it was notified since, it goes to the end instead.
    pub fn retire(&self, item: &Arc<Item>, seen: u32) {
        self.settle(item, seen, false);
    }

    /// The first was looked at: off with it, or to the end where it `stays` or was notified since.
    pub fn settle(&self, item: &Arc<Item>, seen: u32, stays: bool) {
        let mut list = self.0.lock();
        // It may have been taken off by now, by its file's last close or by `epoll_ctl`.
        let Some(first) = list.queue.pop_front_if(|first| Arc::ptr_eq(first, item)) else { return };
        if stays || item.notices.load(Relaxed) != seen {
            list.queue.push_back(first);
        } else {
            item.place.store(IDLE, Relaxed);
        }
    }

    /// Whether `is_ready` holds for any that are there. Does not sleep if `is_ready` does not.
    pub fn any(&self, is_ready: impl Fn(&Arc<Item>) -> bool) -> bool {
        let nth = |n: usize| self.0.lock().queue.get(n).cloned();
        (0..).map_while(nth).any(|item| is_ready(&item))
    }
}
