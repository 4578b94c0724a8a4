//! dma-buf heaps: the glue between the portable subsystem and this kernel's files, devices and memory.
//!
//! * `platform`: what the subsystem asks of the kernel
//! * `heap`: an open `/dev/dma_heap/NAME`
//! * `buffer`: a dma-buf's descriptor
#![forbid(unsafe_code)]

mod buffer;
mod caller;
mod heap;
#[cfg_attr(not(target_os = "none"), path = "machine_host.rs")]
mod machine;
mod platform;
#[cfg(test)]
mod tests;

use heaps::exporter::CmaRegion;
use heaps::{PhysAddr, Registry, Result};
use spin::Once;

pub use platform::Kernel;

/// The major number of heap devices.
pub const MAJOR: u32 = 252;

/// Every heap of the machine.
pub static HEAPS: Registry<Kernel> = Registry::new(MAJOR);

static CMA: Once<CmaRegion<Kernel>> = Once::new();

/// Gives the `pages` page frames from `base` to contiguous buffers, for good. Called once, at boot.
pub fn set_cma_region(base: PhysAddr, pages: usize) -> Result<()> {
    CMA.try_call_once(|| CmaRegion::new(base, pages)).map(drop)
}

/// The region contiguous buffers come from, if there is one.
pub fn cma_region() -> Option<&'static CmaRegion<Kernel>> {
    CMA.get()
}
