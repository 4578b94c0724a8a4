//! System calls by subject. Each is a function of what the caller has and of the call's arguments, and returns what
//! user space gets.
//!
//! [`nr`] has the numbers, [`known`] the names of those too that are not served, [`dispatch()`] the table that leads from
//! numbers to functions. Files: [`fd`] descriptors, [`locks`], [`rw`] contents, [`copy`] from one to another, [`space`]
//! sizes, [`memfd`] files without a name, [`poll`] and [`event`] waiting for them, [`names`] the tree, [`mount`] what it
//! is made of, [`attr`] attributes and [`setattr`] changing them, [`module`] modules. Sockets: [`socket`], [`message`] and
//! its control messages, [`sockopt`]. Processes: [`process`], [`pidfd`], [`creds`], [`prctl`], [`memory`], [`signal`], [`futex`],
//! [`sched`], [`membarrier`], [`time`], [`timer`]. The machine: [`syslog`], [`misc`].
#![forbid(unsafe_code)]

pub mod attr;
pub mod control;
pub mod copy;
pub mod creds;
pub mod ctx;
mod dispatch;
pub mod event;
pub mod fd;
pub mod futex;
pub mod known;
pub mod locks;
pub mod membarrier;
pub mod memfd;
pub mod memory;
pub mod message;
pub mod misc;
pub mod module;
pub mod mount;
pub mod names;
pub mod nr;
pub mod pidfd;
pub mod poll;
pub mod prctl;
pub mod process;
pub mod rw;
pub mod sched;
pub mod setattr;
pub mod signal;
pub mod socket;
pub mod sockopt;
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
