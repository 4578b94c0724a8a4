//! Memory of the provider's own.

use heaps::{Pages, PhysAddr, Run, SgTable};
use sdk::machine::{Machine, freed};
use sdk::{Errno, Result};

/// A block of `1 << ORDER` page frames, given out once, from the first on.
pub struct Pool {
    start: PhysAddr,
    given: usize,
}

const ORDER: u32 = 4;
const PAGES: usize = 1 << ORDER;

impl Pool {
    /// A block. `ENOMEM`.
    pub fn new() -> Result<Pool> {
        let start = Machine::alloc_run(ORDER).ok_or(Errno::ENOMEM)?;
        Ok(Pool { start, given: 0 })
    }

    /// The next `pages` page frames, zeroed. `ENOMEM`.
    pub fn take(&mut self, pages: usize) -> Result<SgTable> {
        let after = self.given.checked_add(pages).filter(|&after| after <= PAGES).ok_or(Errno::ENOMEM)?;
        let start = self.start.add_pages(self.given as u64);
        let mut table = SgTable::new();
        table.push(Run::new(start, pages)?)?;
        Machine::zero(start, pages);
        self.given = after;
        Ok(table)
    }
}

impl Drop for Pool {
    /// Gives the memory back to the machine, which looks whether somebody still maps it.
    fn drop(&mut self) {
        freed(self.start, PAGES);
        Machine::free_run(self.start, ORDER);
    }
}
