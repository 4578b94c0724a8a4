//! What Rust wants of every program: an allocator and a panic handler. Both are the kernel's.
#![allow(unsafe_code)]

use alloc::format;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use crate::exports;

/// The kernel's object heap.
pub struct ObjectHeap;

// SAFETY: the kernel's allocator hands out memory of at least that size and alignment, once until it is freed. What
// one side of the boundary allocates the other may free: it is one heap.
unsafe impl GlobalAlloc for ObjectHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        exports::allocate(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, object: *mut u8, _: Layout) {
        exports::deallocate(object);
    }
}

/// Ends the machine: a module's panic is the kernel's.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    exports::panic(&format!("{info}"))
}
