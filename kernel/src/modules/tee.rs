//! A heap like those that a trusted execution environment provides: the memory it hands out is accounted in private
//! data of its own, and its end is the driver's to write. It can be written in several ways, good and bad.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::exporter::SystemHeap;
use heaps::platform::Point;
use heaps::{Errno, HeapOps, Result, SgTable};

use crate::debug::meet;
use crate::drivers::dma_heap::Kernel;
use crate::sync::{Mutex, WaitQueue, order};

/// What the provider does at its end, while there still is memory of its own around. Its end comes when unregistering
/// has returned, or later where a discipline keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Exit {
    /// It goes.
    #[default]
    Goes,
    /// It waits until all memory is back.
    Waits,
    /// It waits, and holds the lock meanwhile that memory is given back under.
    WaitsLocked,
}

impl Exit {
    /// The value of the parameter `exit`. `EINVAL`.
    pub fn parse(text: Option<&str>) -> Result<Exit> {
        match text {
            None => Ok(Exit::Goes),
            Some("wait") => Ok(Exit::Waits),
            Some("wait-locked") => Ok(Exit::WaitsLocked),
            Some(_) => Err(Errno::EINVAL),
        }
    }
}

/// Most bytes handed out at once.
const LIMIT: usize = 1 << 30;

/// Where providers that wait at their end do. One for all: whoever gives the last memory back must not touch the
/// provider after.
static DRAINED: WaitQueue = WaitQueue::new();

/// The private data.
pub struct TeeHeap {
    memory: SystemHeap<Kernel>,
    allocated: AtomicUsize,
    exit: Exit,
    /// Held while memory is given back.
    lock: Mutex<(), { order::PROVIDER }>,
}

impl TeeHeap {
    /// Nothing handed out.
    pub fn new(exit: Exit) -> TeeHeap {
        TeeHeap { memory: SystemHeap::new(), allocated: AtomicUsize::new(0), exit, lock: Mutex::new(()) }
    }

    fn drained(&self) -> bool {
        self.allocated.load(Ordering::Acquire) == 0
    }

    /// Waits until all memory is back. Uninterruptible.
    fn drain(&self) {
        if !self.drained() {
            // Who gives it back takes the lock on the way: to wait under that lock is to take the two the wrong way
            // round, whether or not anybody is about to.
            order::acquire(order::DRAINED);
            DRAINED.wait(|| self.drained().then_some(()));
            order::release(order::DRAINED);
        }
    }
}

impl HeapOps for TeeHeap {
    fn kind(&self) -> &'static str {
        "tee heap"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        // Where a real one sleeps until its firmware answers.
        meet::arrive(Point::Allocate, None);
        let room = |now: usize| now.checked_add(len).filter(|&after| after <= LIMIT);
        self.allocated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| Errno::ENOMEM)?;
        let table = self.memory.allocate(len, flags);
        if table.is_err() {
            self.allocated.fetch_sub(len, Ordering::Relaxed);
        }
        table
    }

    fn release(&self, table: SgTable) {
        let len = table.size();
        let giving_back = self.lock.lock();
        self.memory.release(table);
        drop(giving_back);
        self.allocated.fetch_sub(len, Ordering::Release);
        DRAINED.wake_all();
    }
}

impl Drop for TeeHeap {
    fn drop(&mut self) {
        match self.exit {
            Exit::Goes => {}
            Exit::Waits => self.drain(),
            Exit::WaitsLocked => {
                let _locked = self.lock.lock();
                self.drain();
            }
        }
    }
}
