//! What depends on the machine: aarch64 on the guest, a stand-in where unit tests run.
#![allow(unsafe_code)]

mod fault;
pub use fault::{FaultKind, UserFault};

#[cfg(target_os = "none")]
mod aarch64;
#[cfg(target_os = "none")]
pub use aarch64::*;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;
