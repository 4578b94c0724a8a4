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
pub mod debug;
pub mod mm;
pub mod sched;
pub mod sync;
