//! The portable dma-heap subsystem.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod addr;
pub mod uapi;

pub use addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr, pages_for};
pub use uapi::errno::{Errno, Result};
