//! Drivers: what the device nodes lead to.
#![forbid(unsafe_code)]

pub mod console;
pub mod dma_heap;
pub mod kmsg;
pub mod mem;
pub mod udmabuf;
