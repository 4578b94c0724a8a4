//! Drivers: what the device nodes lead to.
#![forbid(unsafe_code)]

pub mod console;
pub mod dma_heap;
#[cfg(target_os = "none")]
pub mod edu;
pub mod import;
pub mod interrupts;
pub mod kmsg;
pub mod mem;
pub mod pci;
pub mod udmabuf;
