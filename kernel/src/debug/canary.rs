//! Mistakes that can be asked for, each a file under `/sys/kernel/debug/lastref`: what the harness must catch, it must
//! be seen to catch.
#![forbid(unsafe_code)]

use heaps::Platform;
use heaps::fallible::try_box;
use heaps::kref::Kref;
use heaps::refcount::Refcount;

use crate::drivers::dma_heap::{Kernel, frame_state};
use crate::mm::object::canary;
use crate::mm::{in_flight, module};
use crate::modules::places;
use crate::sync::{Mutex, SpinLock, order};

/// The files, and what a write to one does.
pub const FILES: [(&str, fn()); 16] = [
    ("touch_freed", canary::touch_freed),
    ("touch_beyond", canary::touch_beyond),
    ("free_twice", canary::free_twice),
    ("free_in_flight", in_flight::free_one_in_flight),
    ("free_mapped", frame_state::free_one_mapped),
    ("lose_two", canary::lose_two),
    ("overflow_stack", overflow_stack),
    ("invert_locks", invert_locks),
    ("lock_twice", lock_twice),
    ("saturate_count", saturate_count),
    ("count_from_zero", count_from_zero),
    ("write_text", canary::write_text),
    ("write_alias", canary::write_alias),
    ("run_data", canary::run_data),
    ("call_unloaded", call_unloaded),
    ("panic", panic),
];

/// Runs the kernel stack into its guard.
fn overflow_stack() {
    fn deeper(depth: usize) -> usize {
        let here = core::hint::black_box([depth; 64]);
        if depth == usize::MAX { 0 } else { deeper(depth + 1) + here[depth % 64] }
    }
    core::hint::black_box(deeper(0));
}

/// Takes two locks against the written order, which deadlocks only if somebody else takes them along it.
fn invert_locks() {
    static OUTER: SpinLock<(), { order::FUTEX }> = SpinLock::new(());
    static INNER: SpinLock<(), { order::CONTIG }> = SpinLock::new(());
    let _inner = INNER.lock();
    let _outer = OUTER.lock();
}

/// Waits for a lock that it holds itself.
fn lock_twice() {
    static LOCK: Mutex<(), { order::PROVIDER }> = Mutex::new(());
    let _once = LOCK.lock();
    let _again = LOCK.lock();
}

/// Takes one reference more than a count can hold.
fn saturate_count() {
    let full = Refcount::new(i32::MAX as u32);
    full.inc().unwrap_or_else(|fault| Kernel::refcount_fault(fault, (&raw const full).cast()));
}

/// Takes a reference when the last has gone.
fn count_from_zero() {
    let Ok(object) = try_box(Kref::new()) else { return };
    Kernel::name_object((&raw const *object).cast(), "canary");
    let last = object.put::<Kernel>();
    debug_assert!(last);
    object.get::<Kernel>();
}

/// Calls the module that was unloaded last, where its text was; nothing, when there was none.
fn call_unloaded() {
    places::last_gone().map(module::call);
}

fn panic() {
    panic!("a panic was asked for");
}
