//! The module `system_heap`: the heap `system`, of any page frames (Linux: `heaps/system_heap.c`).
#![forbid(unsafe_code)]
#![no_std]
#![no_main]

use heaps::exporter::SystemHeap;
use sdk::machine::Machine;
use sdk::{Heap, Module, Params, Provider, Result};

struct System;

impl Provider for System {
    fn new(_: &Params<'_>) -> Result<System> {
        Ok(System)
    }

    fn probe(&self, module: Module) -> Result<Heap> {
        module.register("system", SystemHeap::<Machine>::new())
    }
}

sdk::module! {
    provider: System,
    name: "system_heap",
    description: "any page frames, in the largest runs to be had",
    parameters: [],
    unbinds: false,
}
