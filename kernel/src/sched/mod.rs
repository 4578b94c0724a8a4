//! Scheduling: which task runs on which CPU, sleeping and waking.

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;
