//! An allocator that can be told to refuse: to prove that every failed allocation is an errno and rolls back.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

struct Failing;

#[global_allocator]
static ALLOCATOR: Failing = Failing;

thread_local! {
    /// How many allocations from now on still succeed; `None` when all do.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    /// Whether one did not.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

fn refuses() -> bool {
    // Not there any more while a thread ends.
    LEFT.try_with(|left| match left.get() {
        Some(0) => {
            REFUSED.set(true);
            true
        }
        Some(n) => {
            left.set(Some(n - 1));
            false
        }
        None => false,
    })
    .unwrap_or(false)
}

// SAFETY: every call is the system allocator's, or null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised us.
        if refuses() { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(object, layout) }
    }
}

/// Runs `work` with this thread's `n`th allocation from now, and all after it, refused. Says whether it came to
/// that.
pub(crate) fn fail_nth<R>(n: usize, work: impl FnOnce() -> R) -> (R, bool) {
    LEFT.set(Some(n));
    let result = work();
    LEFT.set(None);
    (result, REFUSED.take())
}

/// Lets this thread's allocations succeed while the value lives: the test kernel's own.
pub(crate) fn suspend() -> Suspended {
    Suspended(LEFT.take())
}

pub(crate) struct Suspended(Option<usize>);

impl Drop for Suspended {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}
