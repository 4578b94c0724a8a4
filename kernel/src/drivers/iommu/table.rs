//! A device's page table: 39 bits of address in three levels of 4 KiB tables, as the SMMU's first stage and the CPUs read
//! them (Arm ARM D8.3; Linux: `drivers/iommu/io-pgtable-arm.c`).
//!
//! Who removes an entry makes the device forget it before the page, or the table below, is anybody else's.
#![forbid(unsafe_code)]

use heaps::{PhysAddr, Result};

use crate::mm::frames::{self, Frame};

/// Bits of address that a table translates.
pub const ADDRESS_BITS: u32 = 39;

/// Entries of a table, and the bits of a page's number that select one.
const ENTRIES: u64 = 512;
const ENTRY_BITS: u32 = 9;
/// The level that leads to pages; the root is level 0.
const LAST: u32 = 2;

/// A descriptor that leads to a table, or to a page in the last level.
const VALID: u64 = 3;
/// Where to.
const ADDRESS: u64 = 0xffff_ffff_f000;
/// Of pages: not privileged; read-only; shared with all that is coherent; accessed; this device's alone; not code.
const UNPRIVILEGED: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const EXECUTE_NEVER: u64 = 3 << 53;

/// A table, and those below it.
#[derive(Debug)]
pub struct Table(Frame);

impl Table {
    /// Without entries. `ENOMEM`.
    pub fn new() -> Result<Table> {
        frames::alloc_zeroed().map(Table)
    }

    /// Where it starts.
    pub fn root(&self) -> PhysAddr {
        self.0.addr()
    }

    /// Makes page number `page` of the device's lead to the frame at `to`; it led nowhere. `ENOMEM`.
    pub fn map(&mut self, page: u64, to: PhysAddr, writable: bool) -> Result<()> {
        let mut table = self.root();
        for level in 0..LAST {
            let at = entry(table, page, level);
            table = match frames::read_word(at) {
                0 => {
                    let below = frames::alloc_zeroed()?.into_raw();
                    frames::write_word(at, below.get() | VALID);
                    below
                }
                descriptor => PhysAddr::new(descriptor & ADDRESS),
            };
        }
        let access = if writable { UNPRIVILEGED } else { UNPRIVILEGED | READ_ONLY };
        let kind = INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | EXECUTE_NEVER | VALID;
        frames::write_word(entry(table, page, LAST), to.get() | access | kind);
        Ok(())
    }

    /// Makes page number `page` lead nowhere.
    pub fn clear(&mut self, page: u64) {
        if let Some(at) = self.find(page, LAST) {
            frames::write_word(at, 0);
        }
    }

    /// Frees those tables on the way to page number `page` that have no entries, after `forget` made the device forget
    /// them.
    pub fn prune(&mut self, page: u64, mut forget: impl FnMut()) {
        for level in (0..LAST).rev() {
            let Some(at) = self.find(page, level) else { continue };
            let below = PhysAddr::new(frames::read_word(at) & ADDRESS);
            let is_empty = |n: u64| frames::read_word(PhysAddr::new(below.get() + 8 * n)) == 0;
            if below.get() == 0 || !(0..ENTRIES).all(is_empty) {
                continue;
            }
            frames::write_word(at, 0);
            forget();
            drop(Frame::from_raw(below));
        }
    }

    /// The entry for `page` in the table of `level` on the way there, if there is such a table.
    fn find(&self, page: u64, level: u32) -> Option<PhysAddr> {
        let below = |table, level| {
            let descriptor = frames::read_word(entry(table, page, level));
            (descriptor != 0).then(|| PhysAddr::new(descriptor & ADDRESS))
        };
        (0..level).try_fold(self.root(), below).map(|table| entry(table, page, level))
    }

    /// What page number `page` leads to, and whether it can be written.
    #[cfg(test)]
    pub fn look(&self, page: u64) -> Option<(PhysAddr, bool)> {
        let descriptor = frames::read_word(self.find(page, LAST)?);
        (descriptor != 0).then(|| (PhysAddr::new(descriptor & ADDRESS), descriptor & READ_ONLY == 0))
    }
}

/// Where the entry for `page` is in `table`, one of `level`.
fn entry(table: PhysAddr, page: u64, level: u32) -> PhysAddr {
    let index = page >> (ENTRY_BITS * (LAST - level)) & (ENTRIES - 1);
    PhysAddr::new(table.get() + 8 * index)
}
