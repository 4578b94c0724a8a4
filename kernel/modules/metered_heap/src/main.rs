//! The module `metered_heap`: a heap whose memory is booked in the module `ledger`, with that of all others like it.
#![forbid(unsafe_code)]
#![no_std]
#![no_main]
extern crate alloc;

use alloc::boxed::Box;

use heaps::exporter::SystemHeap;
use heaps::fallible::try_str;
use sdk::machine::Machine;
use sdk::{Errno, Heap, HeapOps, Module, Params, Provider, Result, SgTable};

struct Metered {
    name: Box<str>,
}

impl Provider for Metered {
    fn new(params: &Params<'_>) -> Result<Metered> {
        Ok(Metered { name: try_str(params.get("name").ok_or(Errno::EINVAL)?)? })
    }

    fn probe(&self, module: Module) -> Result<Heap> {
        module.register(&self.name, MeteredHeap(SystemHeap::new()))
    }
}

struct MeteredHeap(SystemHeap<Machine>);

impl HeapOps for MeteredHeap {
    fn kind(&self) -> &'static str {
        "metered heap"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        ledger::charge(len)?;
        self.0.allocate(len, flags).inspect_err(|_| ledger::refund(len))
    }

    fn release(&self, table: SgTable) {
        ledger::refund(table.size());
        self.0.release(table);
    }
}

sdk::module! {
    provider: Metered,
    name: "metered_heap",
    description: "memory booked in the module ledger",
    parameters: [name: charp = "what the heap is called"],
    unbinds: false,
}
