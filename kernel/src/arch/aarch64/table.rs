//! Translation tables: four levels of 512 descriptors, shared by the kernel's half and every user's (Arm ARM D8.3).

use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{PAGE_SIZE, PhysAddr, Result};

use super::layout::linear;

/// Bytes a level-2 block maps.
pub const BLOCK_SIZE: usize = 512 * PAGE_SIZE;

/// A descriptor's bits.
pub mod desc {
    /// Valid.
    pub const VALID: u64 = 1;
    /// A table (levels 0 to 2) or a page (level 3); a block without it.
    pub const TABLE: u64 = 2;
    /// Memory attributes: device.
    pub const DEVICE: u64 = 0;
    /// Memory attributes: normal, cached.
    pub const NORMAL: u64 = 1 << 2;
    /// Memory attributes: normal, cached, with allocation tags.
    pub const TAGGED: u64 = 2 << 2;
    /// EL0 may access.
    pub const USER: u64 = 1 << 6;
    /// Nobody may write.
    pub const READ_ONLY: u64 = 1 << 7;
    /// Inner shareable.
    pub const SHARED: u64 = 3 << 8;
    /// Accessed.
    pub const ACCESSED: u64 = 1 << 10;
    /// Belongs to one ASID.
    pub const NOT_GLOBAL: u64 = 1 << 11;
    /// EL1 may not execute.
    pub const PXN: u64 = 1 << 53;
    /// EL0 may not execute.
    pub const UXN: u64 = 1 << 54;
    /// The address in a descriptor.
    pub const ADDR: u64 = 0x0000_ffff_ffff_f000;
}

/// One table of 512 descriptors, wherever it is in physical memory.
#[derive(Clone, Copy)]
pub struct Table(PhysAddr);

impl Table {
    /// The table at `pa`: a zeroed or filled frame that stays one while this is used.
    pub fn at(pa: PhysAddr) -> Table {
        Table(pa)
    }

    /// Where it is.
    pub fn addr(self) -> PhysAddr {
        self.0
    }

    /// Its descriptors. The hardware reads them at any time, so they are atomics.
    pub fn entries(self) -> &'static [AtomicU64; 512] {
        // SAFETY: a table's frame is never given back while somebody holds the Table (see `PageTable`), is aligned,
        // and all its bit patterns are valid.
        unsafe { &*linear(self.0).cast() }
    }

    /// The descriptor for `va` at `level` (0 to 3).
    pub fn entry(self, va: u64, level: u32) -> &'static AtomicU64 {
        &self.entries()[index(va, level)]
    }

    /// The table one level down, made by `alloc` if there is none. `None` when a block stands there.
    pub fn next(
        self,
        va: u64,
        level: u32,
        alloc: &mut dyn FnMut() -> Result<PhysAddr>,
    ) -> Result<Option<Table>> {
        let entry = self.entry(va, level);
        match entry.load(Ordering::Relaxed) {
            0 => {
                let table = alloc()?;
                entry.store(table.get() | desc::TABLE | desc::VALID, Ordering::Release);
                Ok(Some(Table(table)))
            }
            e => Ok(as_table(e)),
        }
    }
}

/// The table a descriptor of level 0 to 2 points to, if it is one.
pub fn as_table(entry: u64) -> Option<Table> {
    (entry & 3 == desc::TABLE | desc::VALID).then(|| Table(PhysAddr::new(entry & desc::ADDR)))
}

/// Which of a table's descriptors `va` uses at `level`.
pub const fn index(va: u64, level: u32) -> usize {
    (va >> (39 - 9 * level)) as usize & 511
}

/// Bytes one descriptor of `level` covers.
pub const fn span(level: u32) -> u64 {
    1 << (39 - 9 * level)
}
