//! A stand-in for the scheduler where unit tests run: tasks are host threads, sleeping is parking.

use alloc::boxed::Box;
use core::cell::RefCell;

use heaps::{Errno, Result};

use crate::arch::{FpState, TrapFrame};
use crate::process::Thread;
use crate::sync::wait::Interruptible;

/// A host thread, perhaps one that plays a user thread.
#[derive(Clone)]
pub struct TaskRef {
    host: std::thread::Thread,
    /// The user thread it plays.
    pub thread: Option<Thread>,
}

std::thread_local! {
    static PLAYS: RefCell<Option<Thread>> = const { RefCell::new(None) };
}

impl TaskRef {
    /// Whether both are the same task.
    pub fn same(a: &TaskRef, b: &TaskRef) -> bool {
        a.host.id() == b.host.id()
    }
}

/// The calling task.
pub fn current() -> TaskRef {
    TaskRef { host: std::thread::current(), thread: PLAYS.with_borrow(Clone::clone) }
}

/// Announces that the task is about to sleep; a wake-up from here on is not lost.
pub fn prepare_to_sleep(_: &TaskRef) {}

/// Takes [`prepare_to_sleep`] back.
pub fn cancel_sleep(_: &TaskRef) {}

/// Whether a signal of the given kind is pending.
pub fn interrupted(task: &TaskRef, kind: Interruptible) -> bool {
    task.thread.as_ref().is_some_and(|thread| thread.interrupted(kind))
}

/// Sleeps until woken or until the deadline.
pub fn sleep(deadline: Option<u64>) {
    match deadline {
        Some(at) => std::thread::park_timeout(std::time::Duration::from_nanos(
            at.saturating_sub(crate::arch::now_ns()),
        )),
        None => std::thread::park(),
    }
}

/// Makes a sleeping task runnable.
pub fn wake(task: &TaskRef) {
    task.host.unpark();
}

/// Lets others run.
pub fn yield_now() {
    std::thread::yield_now();
}

/// The calling task.
pub fn try_current() -> Option<TaskRef> {
    Some(current())
}

/// The number of the thread that the calling task plays, or 0.
pub fn current_tid() -> u32 {
    PLAYS.with_borrow(|thread| thread.as_ref().map_or(0, |thread| thread.tid()))
}

/// Calls `f` with the calling task.
pub fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    Some(f(&current()))
}

/// The running task is about to look at its signals.
pub fn signals_seen() {}

/// A host's tasks always run.
pub fn activity(_: &TaskRef) -> char {
    'R'
}

/// On the one CPU.
pub fn last_cpu(_: &TaskRef) -> usize {
    0
}

/// There is no way back to user space to take.
pub fn note_posted() {}

/// Lets the calling host thread play a user thread.
pub fn play(thread: Option<Thread>) {
    PLAYS.set(thread);
}

/// Ends a sleep that a signal may end.
pub fn wake_interruptible(task: &TaskRef) {
    wake(task);
}

/// Makes a task of a user thread; a host cannot run one.
pub fn spawn_user(_: Thread, _: TrapFrame, _: Box<FpState>, _: u64) -> Result<TaskRef> {
    Err(Errno::ENOSYS)
}

/// Restricts a task to some CPUs; there is one.
pub fn set_affinity(_: &TaskRef, _: u64) {}

/// CPUs the task may run on, one bit each.
pub fn affinity(_: &TaskRef) -> u64 {
    1
}

/// The running task is done.
pub fn exit_current() -> ! {
    panic!("a task of the host ended")
}

/// CPUs that run tasks, one bit each.
pub fn online_cpus() -> u64 {
    1
}

/// The calling task is about to end.
pub fn leave() {}

/// Something is due at another time than before; nothing interrupts here.
pub fn rearm_timer() {}
