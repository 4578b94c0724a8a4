//! The module `cma_heap`: a heap of contiguous memory, out of the kernel's region (Linux: `heaps/cma_heap.c`).
#![forbid(unsafe_code)]
#![no_std]
#![no_main]
extern crate alloc;

use alloc::boxed::Box;

use heaps::exporter::CmaHeap;
use heaps::fallible::try_str;
use sdk::machine::{DefaultRegion, Machine};
use sdk::{Heap, Module, Params, Provider, Result};

/// What the heap over the default region is called, where no `name=` says so. Linux 6.1 takes its region's name, which
/// is `reserved` for one that the command line asked for.
const DEFAULT_REGION: &str = "default_cma_region";

struct Cma {
    name: Box<str>,
}

impl Provider for Cma {
    fn new(params: &Params<'_>) -> Result<Cma> {
        Ok(Cma { name: try_str(params.get("name").unwrap_or(DEFAULT_REGION))? })
    }

    fn probe(&self, module: Module) -> Result<Heap> {
        module.register(&self.name, CmaHeap::<Machine, _>::new(DefaultRegion::find()?))
    }
}

sdk::module! {
    provider: Cma,
    name: "cma_heap",
    description: "contiguous memory out of a reserved region",
    parameters: [name: charp = "what the heap is called, default_cma_region unless told"],
    unbinds: false,
}
