//! The module `tee_heap`: a heap like those that a trusted execution environment provides. The memory it hands out is
//! accounted in private data of its own, and its end is the driver's to write. It can be written in several ways, good
//! and bad.
#![forbid(unsafe_code)]
#![no_std]
#![no_main]
extern crate alloc;

mod exit;
mod pool;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::exporter::SystemHeap;
use heaps::fallible::try_str;
use heaps::{HeapOps, PAGE_SHIFT, SgTable};
use sdk::machine::{Machine, meet_allocate};
use sdk::sync::{Lock, SpinLock};
use sdk::{Errno, Heap, Module, Params, Provider, Result};

use exit::Exit;
use pool::Pool;

/// Bytes that may be handed out at once, where no `limit=` says how many.
const LIMIT: usize = 1 << 30;

struct Tee {
    name: Box<str>,
    limit: usize,
    exit: Exit,
    source: Source,
}

impl Provider for Tee {
    fn new(params: &Params<'_>) -> Result<Tee> {
        Ok(Tee {
            name: try_str(params.get("name").ok_or(Errno::EINVAL)?)?,
            limit: params.number("limit")?.unwrap_or(LIMIT),
            exit: Exit::parse(params.get("exit"))?,
            source: Source::parse(params.get("memory"))?,
        })
    }

    fn probe(&self, module: Module) -> Result<Heap> {
        module.register(&self.name, TeeHeap::new(self)?)
    }
}

/// Where the memory comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// From the machine, buffer by buffer.
    System,
    /// From the provider's own, a block that it takes at its start and gives back at its end, or when its device is
    /// unplugged.
    Own,
}

impl Source {
    /// The value of the parameter `memory`. `EINVAL`.
    fn parse(text: Option<&str>) -> Result<Source> {
        match text {
            None => Ok(Source::System),
            Some("own") => Ok(Source::Own),
            Some(_) => Err(Errno::EINVAL),
        }
    }
}

/// The private data.
struct TeeHeap {
    memory: SystemHeap<Machine>,
    allocated: AtomicUsize,
    limit: usize,
    exit: Exit,
    /// Held while memory is given back.
    lock: Lock,
    /// Its own memory, if it has any, until that goes.
    pool: SpinLock<Option<Pool>>,
    source: Source,
}

impl TeeHeap {
    /// Nothing handed out. `ENOMEM`.
    fn new(tee: &Tee) -> Result<TeeHeap> {
        let pool = if tee.source == Source::Own { Some(Pool::new()?) } else { None };
        Ok(TeeHeap {
            memory: SystemHeap::new(),
            allocated: AtomicUsize::new(0),
            limit: tee.limit,
            exit: tee.exit,
            lock: Lock::new()?,
            pool: SpinLock::new(pool),
            source: tee.source,
        })
    }

    fn take(&self, len: usize, flags: u64) -> Result<SgTable> {
        match self.source {
            Source::System => self.memory.allocate(len, flags),
            Source::Own => self.pool.lock().as_mut().ok_or(Errno::ENODEV)?.take(len >> PAGE_SHIFT),
        }
    }
}

impl HeapOps for TeeHeap {
    fn kind(&self) -> &'static str {
        "tee heap"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        // Where a real one sleeps until its firmware answers.
        meet_allocate();
        let room = |now: usize| now.checked_add(len).filter(|&after| after <= self.limit);
        self.allocated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| Errno::ENOMEM)?;
        let table = self.take(len, flags);
        if table.is_err() {
            self.allocated.fetch_sub(len, Ordering::Relaxed);
        }
        table
    }

    fn release(&self, table: SgTable) {
        let len = table.size();
        self.lock.with(|| {
            if self.source == Source::System {
                self.memory.release(table);
            }
        });
        self.allocated.fetch_sub(len, Ordering::Release);
        exit::wake();
    }

    fn unplug(&self) {
        let pool = self.pool.lock().take();
        drop(pool);
    }
}

impl Drop for TeeHeap {
    fn drop(&mut self) {
        let drained = || self.allocated.load(Ordering::Acquire) == 0;
        match self.exit {
            Exit::Goes => {}
            Exit::Waits => exit::drain(drained),
            Exit::WaitsLocked => self.lock.with(|| exit::drain(drained)),
        }
    }
}

sdk::module! {
    provider: Tee,
    name: "tee_heap",
    description: "memory accounted in private data",
    parameters: [
        name: charp = "what the heap is called",
        limit: ulong = "bytes it may hand out at once, 1 GiB unless told",
        memory: charp = "own: memory of its own, 64 KiB; the machine's unless told",
        exit: charp = "wait: its end waits until all memory is back; wait-locked: and holds a lock meanwhile"
    ],
    unbinds: true,
}
