//! System calls by subject. Each is a function of what the caller has and of the call's arguments, and returns what
//! user space gets.
//!
//! [`nr`] has the numbers, [`dispatch()`] the table that leads from them to functions. Files: [`fd`] descriptors, [`rw`]
//! contents, [`copy`] from one to another, [`space`] sizes, [`memfd`] files without a name, [`poll`] and [`event`]
//! waiting for them, [`names`] the tree, [`attr`] attributes, [`module`] modules. Processes: [`process`], [`creds`],
//! [`prctl`], [`memory`], [`signal`], [`futex`], [`sched`], [`time`], [`timer`]. The machine: [`syslog`], [`misc`].
#![forbid(unsafe_code)]

pub mod attr;
pub mod copy;
pub mod creds;
pub mod ctx;
mod dispatch;
pub mod event;
pub mod fd;
pub mod futex;
pub mod memfd;
pub mod memory;
pub mod misc;
pub mod module;
pub mod names;
pub mod nr;
pub mod poll;
pub mod prctl;
pub mod process;
pub mod rw;
pub mod sched;
pub mod signal;
pub mod space;
pub mod syslog;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod time;
pub mod timer;

pub use ctx::Ctx;
pub use dispatch::dispatch;
