//! PCI: finding the devices, giving them addresses and interrupts, and handing them to their drivers. Models
//! `drivers/pci/probe.c` and `setup-bus.c` for the root bus of one host bridge.
//!
//! * [`windows`]: addresses for devices' memory
//! * `bars`: what a device wants, and gets; `function`: a device, and the search for all of them
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod bars;
#[cfg(target_os = "none")]
mod function;
pub mod windows;

#[cfg(target_os = "none")]
pub use function::{Function, init};
