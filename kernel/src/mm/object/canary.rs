//! Mistakes on purpose: every detector has something it must catch.

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;

use crate::arch::layout::linear;
use crate::arch::mmu;
use crate::modules::places;

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

/// Reads the byte after an object.
pub fn touch_beyond() {
    // SAFETY: the layout has a size.
    let object = unsafe { alloc(LAYOUT) };
    if !object.is_null() {
        super::name(object, "canary");
        // SAFETY: none: this is the mistake. The heap's own memory follows, mapped and not written to.
        unsafe { core::hint::black_box(object).add(LAYOUT.size()).read_volatile() };
        // SAFETY: the object was allocated with this layout.
        unsafe { dealloc(object, LAYOUT) };
    }
}

/// Loses two objects that refer to each other, and that nobody else refers to.
pub fn lose_two() {
    // SAFETY: the layout has a size, and room for a pointer; the objects are nobody else's.
    unsafe {
        let two: [*mut u8; 2] = [alloc(LAYOUT), alloc(LAYOUT)];
        if two.iter().all(|object| !object.is_null()) {
            two.iter().for_each(|&object| super::name(object, "canary"));
            two[0].cast::<*mut u8>().write(two[1]);
            two[1].cast::<*mut u8>().write(two[0]);
        }
    }
}

/// Writes to the kernel's text.
pub fn write_text() {
    let text = core::hint::black_box(write_text as *const () as *mut u32);
    // SAFETY: none: this is the mistake. Text is mapped read-only, so nothing changes.
    unsafe { text.write_volatile(text.read_volatile()) };
}

/// Writes to a module's text by its alias in the linear map.
pub fn write_alias() {
    let mut first = 0;
    places::each(&mut |module| first = module.start);
    let Some(frame) = mmu::frame_at(first) else { return };
    let text = core::hint::black_box(linear(frame).cast::<u32>());
    // SAFETY: none: this is the mistake. Text is mapped read-only there too, so nothing changes.
    unsafe { text.write_volatile(text.read_volatile()) };
}

/// Jumps into the kernel's data.
pub fn run_data() {
    /// RET, so that the mistake would be harmless.
    static CODE: [core::sync::atomic::AtomicU32; 1] = [core::sync::atomic::AtomicU32::new(0xd65f_03c0)];
    // SAFETY: none: this is the mistake. Data is mapped never to be executed, so nothing runs.
    let code: extern "C" fn() = unsafe { core::mem::transmute(core::hint::black_box(CODE.as_ptr())) };
    code();
}
