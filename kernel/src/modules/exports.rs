//! What the kernel offers to modules: the kernel's side of [`sdk::exports`].
#![forbid(unsafe_code)]

use heaps::exporter::Contiguous;
use heaps::{Errno, Pages, Result, Run};
use sdk::exports::Exports;

use crate::drivers::dma_heap::{self, Kernel};
use crate::mm::module::{allocate, deallocate};

const EXPORTS: Exports = Exports {
    allocate,
    deallocate,
    log: |text| log::info!("{text}"),
    panic: |text| panic!("a module: {text}"),
    alloc_run: Kernel::alloc_run,
    free_run: Kernel::free_run,
    zero: Kernel::zero,
    admit: Kernel::admit,
    fatal_signal_pending: Kernel::fatal_signal_pending,
    find_contiguous: || region().map(drop),
    take_contiguous: |pages| region()?.take(pages),
    give_back_contiguous,
    register_heap: super::heaps::register,
    unregister_heap: super::heaps::unregister,
};

fn region() -> Result<impl Contiguous> {
    dma_heap::cma_region().ok_or(Errno::ENODEV)
}

fn give_back_contiguous(run: Run) {
    // Without a region nobody has a run to give back.
    if let Ok(region) = region() {
        region.give_back(run);
    }
}

/// The address of an exported function.
pub fn find(name: &str) -> Option<u64> {
    EXPORTS.symbols().into_iter().find(|(known, _)| *known == name).map(|(_, address)| address as u64)
}
