//! Drivers: what the device nodes lead to.
#![forbid(unsafe_code)]

pub mod console;
pub mod dma_heap;
pub mod mem;

/// Publishes every device that is there from the start. Called once, at boot; what fails is a name or number taken
/// twice, or memory. May sleep.
pub fn init() -> heaps::Result<()> {
    mem::init()?;
    console::init()?;
    dma_heap::init()
}
