//! Sleeping tasks by the time they want to wake.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU64, Ordering};

use super::task::TaskRef;
use crate::arch;
use crate::sync::{IrqLock, order};

static SLEEPERS: IrqLock<BTreeMap<(u64, usize), TaskRef>, { order::TIMERS }> = IrqLock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);

/// When the next sleeper wants to wake, in nanoseconds since boot; `u64::MAX` when nobody does.
pub(super) fn next() -> u64 {
    NEXT.load(Ordering::Relaxed)
}

/// What tells tasks of one deadline apart. A task's number will not do: execve by another thread than the first gives
/// it back while the task lives on.
fn key(task: &TaskRef) -> usize {
    core::ptr::from_ref::<super::Task>(task).addr()
}

/// `task` wants to wake at `deadline`.
pub(super) fn add(deadline: u64, task: TaskRef) {
    let mut sleepers = SLEEPERS.lock();
    sleepers.insert((deadline, key(&task)), task);
    note_next(&sleepers);
}

/// Takes [`add`] back, if the deadline has not passed.
pub(super) fn remove(deadline: u64, task: &TaskRef) {
    let mut sleepers = SLEEPERS.lock();
    let removed = sleepers.remove(&(deadline, key(task)));
    note_next(&sleepers);
    drop(sleepers);
    drop(removed);
}

/// Wakes everybody whose time has come.
pub(super) fn expire() {
    while next() <= arch::now_ns() {
        let due = {
            let mut sleepers = SLEEPERS.lock();
            let due = sleepers.first_key_value().is_some_and(|(&(at, _), _)| at <= arch::now_ns());
            let due = if due { sleepers.pop_first() } else { None };
            note_next(&sleepers);
            due
        };
        match due {
            Some((_, task)) => super::wake(&task),
            None => return,
        }
    }
}

fn note_next(sleepers: &BTreeMap<(u64, usize), TaskRef>) {
    NEXT.store(sleepers.first_key_value().map_or(u64::MAX, |(&(at, _), _)| at), Ordering::Relaxed);
}
