//! Physical addresses and the page size.

use core::fmt;

/// log2 of the page size.
pub const PAGE_SHIFT: u32 = 12;

/// The page size in bytes: 4 KiB, the only granule supported.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// A physical address in bytes. Not a pointer: nothing in this crate dereferences it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address `bytes` from the start of the physical address space.
    pub const fn new(bytes: u64) -> PhysAddr {
        PhysAddr(bytes)
    }

    /// The address of page frame `pfn`.
    pub const fn from_pfn(pfn: u64) -> PhysAddr {
        PhysAddr(pfn << PAGE_SHIFT)
    }

    /// In bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The page frame number, rounding down.
    pub const fn pfn(self) -> u64 {
        self.0 >> PAGE_SHIFT
    }

    /// The address `pages` further on.
    pub const fn add_pages(self, pages: u64) -> PhysAddr {
        PhysAddr(self.0 + (pages << PAGE_SHIFT))
    }

    /// Whether it is the first byte of a page.
    pub const fn is_page_aligned(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE as u64)
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phys {:#x}", self.0)
    }
}

/// `len` bytes in whole pages, rounding up; `None` when rounding up overflows.
pub const fn pages_for(len: usize) -> Option<usize> {
    match len.checked_add(PAGE_SIZE - 1) {
        Some(rounded) => Some(rounded >> PAGE_SHIFT),
        None => None,
    }
}
