//! Scheduling: which task runs on which CPU, sleeping and waking.
//!
//! Every CPU has a queue of ready tasks and takes them in turn; one without work takes another's. The kernel is not
//! preempted: a task leaves its CPU when it sleeps, yields, or on its way back to user space.

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;

#[cfg(target_os = "none")]
mod core;
#[cfg(target_os = "none")]
mod queue;
#[cfg(target_os = "none")]
mod task;
#[cfg(target_os = "none")]
mod timers;
#[cfg(target_os = "none")]
pub use self::core::*;
#[cfg(target_os = "none")]
pub use self::task::{Task, TaskRef, live_tasks};
