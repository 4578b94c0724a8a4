//! Processes and threads (Linux: `struct task_struct`, `struct signal_struct`).
//!
//! * [`thread`]: what one thread has; [`group`]: what the threads of a process share
//! * [`limits`], [`creds`], [`attributes`]: how much it may have, whom it acts for, what it says of itself
//! * [`tree`]: who there is, by number; parents, children, process groups
//! * [`clone`], [`exec`], [`exit`], [`wait`]: a life, from copy to status word
//! * [`elf`], [`script`], [`image`], [`auxv`]: a program file, and the memory and stack a new program finds
//! * [`signal`]: sending, and acting on the way back to user space; [`fault`]: what an access that failed does
//! * [`oom`]: who is killed where memory runs out
//! * [`timers`]: the timers of a process; [`clockid`]: the clocks there are by number
//! * [`stop`]: stopped processes; [`jobs`]: who the terminal's jobs are
//! * [`futex`], [`robust`]: sleeping on user memory
//! * [`init`]: process 1; [`pidfd`]: processes as files; [`procfs`]: what `/proc` says
//!
//! A thread ends only in [`before_user`], where its kernel stack holds no reference any more: calls that end it
//! leave a note and return.
#![forbid(unsafe_code)]

pub mod attributes;
pub mod auxv;
pub mod clockid;
pub mod clone;
pub mod creds;
pub mod elf;
pub mod exec;
pub mod exit;
pub mod fault;
pub mod futex;
pub mod group;
pub mod image;
pub mod init;
pub mod jobs;
pub mod limits;
pub mod mapping;
pub mod oom;
pub mod pidfd;
pub mod procfs;
pub mod random;
mod replaceable;
mod robust;
pub mod script;
pub mod shared;
pub mod signal;
pub mod stop;
#[cfg(test)]
mod tests;
pub mod thread;
pub mod timers;
pub mod tree;
pub mod wait;

pub use exit::{doom, oops_exit};
pub use group::Process;
pub use init::start_init;
pub use thread::{Thread, current, with_current};

use crate::arch::TrapFrame;
use crate::sched;

/// The last thing before user space goes on, where somebody [kicked](thread::State::kick) the thread: ends it if it
/// shall, delivers signals. Called with interrupts on and no lock held. Whatever gives a thread something to do here
/// kicks it afterwards, the thread itself included.
pub fn before_user(frame: &mut TrapFrame) {
    sched::signals_seen();
    with_current(timers::check_cpu_time);
    while with_current(Thread::has_work).unwrap_or(false) {
        if let Some(status) = with_current(|thread| signal::deliver::act(thread, frame)).flatten() {
            exit::do_exit(status);
        }
    }
}
