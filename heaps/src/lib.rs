//! The portable dma-heap subsystem.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod uapi;

pub use uapi::errno::{Errno, Result};
