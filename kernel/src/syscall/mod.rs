//! System calls by subject. Each is a function of what the caller has and of the call's arguments, and returns what
//! user space gets.
//!
//! [`nr`] has the numbers, [`known`] the names of those too that are not served, [`dispatch()`] the table that leads from
//! numbers to functions. Files: [`fd`] descriptors, [`rw`]
//! contents, [`poll`] waiting for them, [`names`] the tree, [`attr`] attributes, [`module`] modules. Processes:
//! [`process`], [`memory`], [`signal`], [`futex`], [`sched`], [`time`], [`misc`].
#![forbid(unsafe_code)]

pub mod attr;
pub mod ctx;
mod dispatch;
pub mod fd;
pub mod futex;
pub mod known;
pub mod memory;
pub mod misc;
pub mod module;
pub mod names;
pub mod nr;
pub mod poll;
pub mod process;
pub mod rw;
pub mod sched;
pub mod signal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod time;

pub use ctx::Ctx;
pub use dispatch::dispatch;
