//! The Lastref kernel.
//!
//! * [`arch`]: the machine (aarch64; a stand-in where unit tests run)
//! * [`mm`]: page frames, the object heap, address spaces, user memory
//! * [`sync`]: locks and wait queues in one written order
//! * [`sched`]: tasks on CPUs
//! * [`debug`]: reports and evidence
#![cfg_attr(target_os = "none", no_std)]
extern crate alloc;

pub mod arch;
pub mod cmdline;
pub mod debug;
pub mod dt;
#[cfg(target_os = "none")]
pub mod init;
#[cfg(target_os = "none")]
pub mod drivers;
#[cfg(target_os = "none")]
pub mod process;
#[cfg(target_os = "none")]
pub mod syscall;
#[cfg(target_os = "none")]
pub mod start;
pub mod mm;
pub mod sched;
pub mod sync;
