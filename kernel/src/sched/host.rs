//! A stand-in for the scheduler where unit tests run: tasks are host threads, sleeping is parking.

use crate::sync::wait::Interruptible;

/// A host thread.
#[derive(Clone)]
pub struct TaskRef(std::thread::Thread);

impl TaskRef {
    /// Whether both are the same task.
    pub fn same(a: &TaskRef, b: &TaskRef) -> bool {
        a.0.id() == b.0.id()
    }
}

/// The calling task.
pub fn current() -> TaskRef {
    TaskRef(std::thread::current())
}

/// Announces that the task is about to sleep; a wake-up from here on is not lost.
pub fn prepare_to_sleep(_: &TaskRef) {}

/// Takes [`prepare_to_sleep`] back.
pub fn cancel_sleep(_: &TaskRef) {}

/// Whether a signal of the given kind is pending.
pub fn interrupted(_: &TaskRef, _: Interruptible) -> bool {
    false
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
    task.0.unpark();
}

/// Lets others run.
pub fn yield_now() {
    std::thread::yield_now();
}
