//! The memory of modules, and the way into their code (Linux: `module_alloc`, `arch/arm64/kernel/module.c`).
//!
//! Each part of a module is mapped for one use alone: text is never writable, by its alias in the linear map neither, and
//! data never runs. Unmapping comes before freeing, so that a call that comes too late faults.
#![allow(unsafe_code)]

use core::mem::transmute;

use heaps::{PAGE_SIZE, Result};
use sdk::abi::{Entry, Init, Params};

use super::frames::{self, Frame};
use crate::arch::cache;
use crate::arch::mmu::{self, Use};
use crate::modules::layout::{Layout, Part};
use crate::modules::places::Claim;

/// A module's memory, mapped. Dropped, it is unmapped on all CPUs, and then freed.
pub struct Memory {
    claim: Claim,
    pages: usize,
}

impl Memory {
    /// Maps `bytes`, a module linked for the claim's address and laid out as `layout` says. `ENOMEM`. The caller holds
    /// the modules' lock, here and when the memory is dropped.
    pub fn new(claim: Claim, bytes: &[u8], layout: &Layout) -> Result<Memory> {
        let mut memory = Memory { claim, pages: 0 };
        for part in Part::ALL {
            let usage = match part {
                Part::Text => Use::Text,
                Part::Rodata => Use::Rodata,
                Part::Data => Use::Data,
            };
            for page in bytes[layout.range(part)].chunks(PAGE_SIZE) {
                memory.add(page, usage)?;
            }
        }
        let text = layout.range(Part::Text);
        cache::publish_text(memory.claim.base() + text.start, text.len());
        Ok(memory)
    }

    /// The first address.
    pub fn base(&self) -> usize {
        self.claim.base()
    }

    fn add(&mut self, page: &[u8], usage: Use) -> Result<()> {
        let frame = frames::alloc_zeroed()?;
        frames::write(frame.addr(), 0, page);
        mmu::map_kernel_page(self.base() + self.pages * PAGE_SIZE, frame.addr(), usage)?;
        let at = frame.into_raw();
        self.pages += 1;
        if usage == Use::Data { Ok(()) } else { mmu::protect_alias(at) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.claim.leave();
        for page in 0..self.pages {
            if let Some(frame) = mmu::unmap_kernel_page(self.base() + page * PAGE_SIZE) {
                mmu::allow_alias(frame);
                drop(Frame::from_raw(frame));
            }
        }
    }
}

/// Runs a module's init at `entry`.
pub fn init(entry: usize, params: &Params<'_>) -> Result<()> {
    // SAFETY: the loader found the entry in the descriptor of a module that it linked and mapped, and which nobody
    // unloads meanwhile. The version magic says that compiler and sources were this kernel's; with those, the field it
    // was read from is an `Init`.
    let init: Init = unsafe { transmute(entry) };
    init(params)
}

/// Runs another of a module's entries.
pub fn call(entry: usize) -> Result<()> {
    // SAFETY: as in `init`, of a field that is an `Entry`.
    let call: Entry = unsafe { transmute(entry) };
    call()
}

/// Takes `size` bytes of the object heap for a module; null when there are none.
pub fn allocate(size: usize, align: usize) -> *mut u8 {
    match core::alloc::Layout::from_size_align(size, align) {
        // SAFETY: what Rust's collections ask for is never of no size.
        Ok(layout) if size != 0 => unsafe { alloc::alloc::alloc(layout) },
        _ => core::ptr::null_mut(),
    }
}

/// Gives back what [`allocate`] gave.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "the heap looks a pointer up before it follows it")]
pub fn deallocate(object: *mut u8) {
    // SAFETY: this kernel's heap keeps a map of its objects: it takes no notice of the layout, and of an address that
    // is no live object's it makes a report and nothing else.
    unsafe { alloc::alloc::dealloc(object, core::alloc::Layout::new::<u8>()) }
}
