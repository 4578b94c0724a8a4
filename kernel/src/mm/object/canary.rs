//! Mistakes on purpose: every detector has something it must catch.

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;

const LAYOUT: Layout = Layout::new::<[u64; 4]>();

fn freed_object() -> *mut u8 {
    // SAFETY: the layout has a size; the object is freed with the layout it was allocated with.
    unsafe {
        let object = alloc(LAYOUT);
        if !object.is_null() {
            super::name(object, "canary");
            dealloc(object, LAYOUT);
        }
        core::hint::black_box(object)
    }
}

/// Reads a freed object.
pub fn touch_freed() {
    let object = freed_object();
    if !object.is_null() {
        // SAFETY: none: this is the mistake. The quarantine keeps the memory mapped and nobody else's.
        unsafe { object.cast::<u64>().read_volatile() };
    }
}

/// Frees an object twice.
pub fn free_twice() {
    let object = freed_object();
    if !object.is_null() {
        // SAFETY: none: this is the mistake. The heap recognises it by the object's record.
        unsafe { dealloc(object, LAYOUT) };
    }
}
