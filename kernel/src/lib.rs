//! The Lastref kernel.
//!
//! * [`arch`]: the machine (aarch64; a stand-in where unit tests run)
//! * [`dt`], [`cmdline`]: what the machine is and what it was asked
//! * [`mm`]: page frames, the object heap, address spaces, user memory
//! * [`sync`]: locks and wait queues in one written order
//! * [`sched`]: tasks on CPUs; [`process`]: processes and threads
//! * [`vfs`]: names, inodes, open files and the filesystems; [`chrdev`]: device numbers and what they lead to
//! * [`net`]: unix sockets and the files sent through them
//! * [`drivers`], [`modules`]: what devices do; the providers that can be loaded and unloaded
//! * [`time`]: clocks, timers, and whose time it was
//! * [`syscall`]: what user space asks for
//! * [`debug`]: reports and evidence
#![cfg_attr(target_os = "none", no_std)]
extern crate alloc;

pub mod arch;
pub mod chrdev;
pub mod cmdline;
pub mod debug;
pub mod drivers;
pub mod dt;
#[cfg(target_os = "none")]
pub mod init;
pub mod mm;
pub mod modules;
pub mod net;
pub mod process;
pub mod sched;
#[cfg(target_os = "none")]
pub mod start;
pub mod sync;
pub mod syscall;
pub mod time;
pub mod vfs;
