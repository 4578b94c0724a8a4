//! A heap like those that a trusted execution environment provides: the memory it hands out is accounted in private
//! data of its own, and its end is the driver's to write. It can be written in several ways, good and bad.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::exporter::SystemHeap;
use heaps::platform::Point;
use heaps::{Errno, HeapOps, PAGE_SHIFT, PhysAddr, Platform, Result, Run, SgTable};

use crate::debug::{meet, report};
use crate::drivers::dma_heap::Kernel;
use crate::mm::spaces;
use crate::sync::{Mutex, SpinLock, WaitQueue, order};

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

/// Where the provider's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Memory {
    /// From the machine, buffer by buffer.
    #[default]
    System,
    /// From its own, a block that it takes at its start and gives back at its end, or when its device is unplugged.
    Own,
}

impl Memory {
    /// The value of the parameter `memory`. `EINVAL`.
    pub fn parse(text: Option<&str>) -> Result<Memory> {
        match text {
            None => Ok(Memory::System),
            Some("own") => Ok(Memory::Own),
            Some(_) => Err(Errno::EINVAL),
        }
    }
}

/// A provider's own memory: `1 << POOL_ORDER` page frames, given out once, from the first on.
struct Pool {
    start: PhysAddr,
    given: usize,
}

const POOL_ORDER: u32 = 4;
const POOL_PAGES: usize = 1 << POOL_ORDER;

impl Pool {
    fn new() -> Result<Pool> {
        let start = Kernel::alloc_run(POOL_ORDER).ok_or(Errno::ENOMEM)?;
        Ok(Pool { start, given: 0 })
    }

    fn take(&mut self, pages: usize) -> Result<SgTable> {
        let after =
            self.given.checked_add(pages).filter(|&after| after <= POOL_PAGES).ok_or(Errno::ENOMEM)?;
        let start = self.start.add_pages(self.given as u64);
        let mut table = SgTable::new();
        table.push(Run::new(start, pages)?)?;
        Kernel::zero(start, pages);
        self.given = after;
        Ok(table)
    }
}

impl Drop for Pool {
    /// Gives the memory back to the machine, which looks whether somebody still maps it.
    fn drop(&mut self) {
        let end = self.start.add_pages(POOL_PAGES as u64);
        if let Some(at) = spaces::find_mapping(self.start..end) {
            report::freed_while_mapped(self.start, POOL_PAGES, at);
        }
        Kernel::free_run(self.start, POOL_ORDER);
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
    /// Its own memory, if it has any, until that goes.
    pool: SpinLock<Option<Pool>, { order::HEAP_STATE }>,
    source: Memory,
}

impl TeeHeap {
    /// Nothing handed out. `ENOMEM`.
    pub fn new(exit: Exit, source: Memory) -> Result<TeeHeap> {
        let pool = if source == Memory::Own { Some(Pool::new()?) } else { None };
        let (allocated, lock) = (AtomicUsize::new(0), Mutex::new(()));
        Ok(TeeHeap { memory: SystemHeap::new(), allocated, exit, lock, pool: SpinLock::new(pool), source })
    }

    fn take(&self, len: usize, flags: u64) -> Result<SgTable> {
        match self.source {
            Memory::System => self.memory.allocate(len, flags),
            Memory::Own => self.pool.lock().as_mut().ok_or(Errno::ENODEV)?.take(len >> PAGE_SHIFT),
        }
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
        let table = self.take(len, flags);
        if table.is_err() {
            self.allocated.fetch_sub(len, Ordering::Relaxed);
        }
        table
    }

    fn release(&self, table: SgTable) {
        let len = table.size();
        let giving_back = self.lock.lock();
        if self.source == Memory::System {
            self.memory.release(table);
        }
        drop(giving_back);
        self.allocated.fetch_sub(len, Ordering::Release);
        DRAINED.wake_all();
    }

    fn unplug(&self) {
        let pool = self.pool.lock().take();
        drop(pool);
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
