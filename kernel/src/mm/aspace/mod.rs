//! Address spaces: what a process sees of memory (Linux: `struct mm_struct`).
//!
//! * [`layout`]: the state under the lock: areas, page table, heap end
//! * [`map`]: `mmap` and `munmap`; [`protect`]: `mprotect` and `madvise`; [`advice`]: what of it
//!   reaches further, `mincore`, `msync`; [`brk`]; [`remap`]: `mremap`
//! * [`fault`]: a page at its first touch, copies on write, the stack's growth
//! * [`fork`]: the copy a child gets
//! * [`key`]: what a futex sleeps on; [`image`]: putting a program there
//! * [`revoke`]: taking fixed memory away; [`migrate`]: moving private pages to other frames
//! * [`mappers`]: which address spaces map a file, and unmapping what goes from it everywhere
//! * [`shared`]: anonymous pages that several address spaces see; [`show`]: what `/proc` says
//!
//! Everything here may sleep. No file is released, and no user memory touched, with the lock held.

pub mod advice;
pub mod brk;
pub mod fault;
pub mod fork;
pub mod image;
pub mod key;
pub mod layout;
pub mod limits;
pub mod map;
pub mod mappers;
pub mod migrate;
pub mod protect;
pub mod remap;
pub mod revoke;
mod runs;
pub mod shared;
pub mod show;

#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};

use heaps::Result;

use crate::arch::{self, PageTable};
use crate::mm::spaces;
use crate::sync::{Mutex, MutexGuard, order};

pub use fault::{Access, FaultError};
use layout::Layout;
pub use limits::MemoryLimits;
pub use map::{MapFlags, MapRequest};

/// First byte that may be mapped: a null pointer with a small offset always faults.
pub const USER_START: u64 = 0x1_0000;
/// One past the last byte that may be mapped.
pub const USER_END: u64 = arch::USER_END;
/// Where free ranges are looked for ends here; the stack is above.
pub const MMAP_TOP: u64 = USER_END - (128 << 20);
/// How far the stack may grow, in bytes.
pub const STACK_LIMIT: u64 = 8 << 20;
/// What stays free below a stack that grows, in bytes.
pub const STACK_GAP: u64 = 1 << 20;
/// Areas an address space may have (Linux: `sysctl vm.max_map_count`).
pub const MAX_AREAS: usize = 65530;

/// The state of an address space under its lock. A file that is mapped knows it by a weak reference.
pub type Space = Mutex<Layout, { order::MMAP }>;

/// A process' memory. Dropping the last reference unmaps all of it: not under a spinning lock.
pub struct AddressSpace {
    layout: Arc<Space>,
    root: arch::UserRoot,
    _place: spaces::Place,
}

impl AddressSpace {
    /// An empty one. `ENOMEM`.
    pub fn new() -> Result<AddressSpace> {
        let table = PageTable::new()?;
        let root = table.root();
        let mut place = spaces::Place::reserve()?;
        let layout = Arc::new(Mutex::new(Layout::new(table)));
        place.enter(&layout);
        Ok(AddressSpace { layout, root, _place: place })
    }

    /// What a file that is mapped into it knows it by.
    pub fn space(&self) -> Weak<Space> {
        Arc::downgrade(&self.layout)
    }

    /// What a CPU needs to see it.
    pub fn root(&self) -> arch::UserRoot {
        self.root
    }

    fn lock(&self) -> MutexGuard<'_, Layout, { order::MMAP }> {
        self.layout.lock()
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // Each area goes with its pages unmapped first, and its file once the lock is free again: somebody who cuts a
        // file may be looking.
        loop {
            let vma = self.lock().take_first(0, USER_END);
            if vma.is_none() {
                break;
            }
        }
    }
}
