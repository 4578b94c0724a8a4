//! What a loadable module and the kernel agree on, and what a module is written with.
//!
//! - [`abi`]: the module's descriptor, and the version magic that ties a module to one kernel;
//! - [`exports`]: the functions the kernel offers to modules;
//! - `provider`, `resident`, `machine`, `sync`, `runtime`, and the macro `module`: the module's side, there on the guest
//!   alone. A module is a type that implements `Provider` or `Resident`, and one use of the macro.
//!
//! Kernel and modules are compiled apart, but by one compiler from one tree, and share Rust types across the
//! boundary. That is sound only for the very pair that was built together, which the version magic sees to.
#![cfg_attr(target_os = "none", no_std)]
extern crate alloc;

pub mod abi;
pub mod exports;
#[cfg(target_os = "none")]
pub mod machine;
#[cfg(target_os = "none")]
mod macros;
#[cfg(target_os = "none")]
pub mod provider;
#[cfg(target_os = "none")]
pub mod resident;
#[cfg(target_os = "none")]
pub mod runtime;
#[cfg(target_os = "none")]
pub mod sync;

pub use abi::Params;
pub use heaps::{Errno, HeapOps, Result, SgTable};
#[cfg(target_os = "none")]
pub use provider::{Glue, Heap, Held, Module, Provider};
#[cfg(target_os = "none")]
pub use resident::{Residence, Resident};
