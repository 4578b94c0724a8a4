//! The module `tee_heap`: a heap like those that a trusted execution environment provides. Memory that it hands out is
//! accounted in private data of its own, which goes when the heap is unregistered.
#![no_std]
#![no_main]
extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::exporter::SystemHeap;
use heaps::fallible::try_str;
use sdk::machine::Machine;
use sdk::{Errno, Heap, HeapOps, Module, Params, Provider, Result, SgTable};

/// Bytes that may be handed out at once, where no `limit=` says how many.
const LIMIT: usize = 1 << 30;

struct Tee {
    name: Box<str>,
    limit: usize,
}

impl Provider for Tee {
    fn new(params: &Params<'_>) -> Result<Tee> {
        let name = try_str(params.get("name").ok_or(Errno::EINVAL)?)?;
        Ok(Tee { name, limit: params.number("limit")?.unwrap_or(LIMIT) })
    }

    fn probe(&self, module: Module) -> Result<Heap> {
        module.register(
            &self.name,
            TeeHeap { memory: SystemHeap::new(), allocated: AtomicUsize::new(0), limit: self.limit },
        )
    }
}

/// The private data.
struct TeeHeap {
    memory: SystemHeap<Machine>,
    allocated: AtomicUsize,
    limit: usize,
}

impl HeapOps for TeeHeap {
    fn kind(&self) -> &'static str {
        "tee heap"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        let room = |now: usize| now.checked_add(len).filter(|&after| after <= self.limit);
        self.allocated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| Errno::ENOMEM)?;
        let table = self.memory.allocate(len, flags);
        if table.is_err() {
            self.allocated.fetch_sub(len, Ordering::Relaxed);
        }
        table
    }

    fn release(&self, table: SgTable) {
        self.allocated.fetch_sub(table.size(), Ordering::Relaxed);
        self.memory.release(table);
    }
}

sdk::module! {
    provider: Tee,
    name: "tee_heap",
    description: "memory accounted in private data",
    parameters: [name: charp = "what the heap is called", limit: ulong = "bytes it may hand out at once, 1 GiB unless told"],
    unbinds: true,
}
