//! What one device reaches through the IOMMU: its addresses, and where they lead.
#![forbid(unsafe_code)]

use core::ops::Range;

use heaps::{PAGE_SHIFT, PhysAddr, Result, Run, SgTable};

use super::addresses::Addresses;
use super::table::{ADDRESS_BITS, Table};

/// A device's address space. Page 0 leads nowhere.
#[derive(Debug)]
pub struct Space {
    table: Table,
    addresses: Addresses,
}

impl Space {
    /// An empty one, for a device that drives `bits` address lines and sees something else than memory at the pages of
    /// `holes`. `ENOMEM`.
    pub fn new(bits: u32, holes: &[Range<u64>]) -> Result<Space> {
        let last = 1 << bits.min(ADDRESS_BITS).saturating_sub(PAGE_SHIFT);
        Ok(Space { addresses: Addresses::new(1..last, holes)?, table: Table::new()? })
    }

    /// Where its table starts.
    pub fn root(&self) -> PhysAddr {
        self.table.root()
    }

    /// Maps all pages of `pages` in a row: the first one's number on the device's side. `ENOMEM` leaves everything as it
    /// was; `forget` makes the device forget, as for [`unmap`](Self::unmap).
    pub fn map(&mut self, pages: &SgTable, writable: bool, forget: impl FnMut()) -> Result<u64> {
        let first = self.addresses.take(pages.pages() as u64)?;
        let frames = pages.runs().iter().flat_map(|run: &Run| run.each_page());
        let mapped = (first..).zip(frames).try_for_each(|(page, to)| self.table.map(page, to, writable));
        mapped.map(|()| first).inspect_err(|_| {
            self.unmap(first, pages.pages() as u64, forget);
            self.addresses.give_back(first);
        })
    }

    /// Makes `pages` pages from number `first` on lead nowhere. `forget` is called each time the device has to forget what it
    /// remembers of the table, and returns when it has; after this returns it reaches the pages no more.
    pub fn unmap(&mut self, first: u64, pages: u64, mut forget: impl FnMut()) {
        (first..first + pages).for_each(|page| self.table.clear(page));
        forget();
        // A page of each table of the last level.
        let tables = (first >> 9..=(first + pages - 1) >> 9).map(|table| table << 9);
        tables.for_each(|page| self.table.prune(page, &mut forget));
    }

    /// Gives the addresses from page number `first` on back, which lead nowhere, and which no transfer under way has.
    pub fn give_back(&mut self, first: u64) {
        self.addresses.give_back(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::frames;
    use heaps::Errno;

    fn table(runs: &[(u64, usize)]) -> SgTable {
        let mut table = SgTable::new();
        for &(pfn, pages) in runs {
            table.push(Run::new(PhysAddr::from_pfn(pfn), pages).unwrap()).unwrap();
        }
        table
    }

    #[test]
    fn what_is_scattered_lies_in_a_row_for_the_device() {
        let before = frames::free_count();
        let mut space = Space::new(64, &[]).unwrap();
        let scattered = table(&[(500, 3), (100, 1), (900, 2)]);
        let first = space.map(&scattered, true, || ()).unwrap();
        let frames = [500, 501, 502, 100, 900, 901].map(|pfn| Some((PhysAddr::from_pfn(pfn), true)));
        let seen = |space: &Space| [0, 1, 2, 3, 4, 5].map(|page| space.table.look(first + page));
        assert_eq!(seen(&space), frames);
        assert_eq!((space.table.look(first - 1), space.table.look(first + 6)), (None, None));
        let read_only = space.map(&table(&[(7, 1)]), false, || ()).unwrap();
        assert_eq!(space.table.look(read_only), Some((PhysAddr::from_pfn(7), false)));
        let mut forgotten = 0;
        space.unmap(first, 6, || forgotten += 1);
        assert_eq!((seen(&space), forgotten), ([None; 6], 1), "the tables have another page");
        space.unmap(read_only, 1, || forgotten += 1);
        assert_eq!(forgotten, 4, "once for the page, once for each table that went");
        assert_eq!(space.map(&scattered, true, || ()), Ok(read_only + 2), "addresses stay until given back");
        drop(space);
        assert_eq!(frames::free_count(), before - 2, "what is still mapped has its tables");
    }

    #[test]
    fn every_failure_leaves_everything_as_it_was() {
        let hole = 1..(1 << 18) - 2;
        let mut space = Space::new(64, core::slice::from_ref(&hole)).unwrap();
        // Its addresses lie in two tables of two tables each.
        let buffer = table(&[(0x8000, 4)]);
        let mut spare: Vec<_> = core::iter::from_fn(|| frames::alloc_zeroed().ok()).collect();
        for room in 0..4 {
            let free = frames::free_count();
            assert_eq!(space.map(&buffer, true, || ()), Err(Errno::ENOMEM), "with {room} frames");
            assert_eq!(frames::free_count(), free);
            spare.pop();
        }
        let free = frames::free_count();
        let first = space.map(&buffer, true, || ()).unwrap();
        assert_eq!((first, frames::free_count()), ((1 << 18) - 1, free - 4));
        space.unmap(first, 4, || ());
        space.give_back(first);
        assert_eq!(frames::free_count(), free);
    }

    #[test]
    fn a_device_gets_addresses_that_it_drives() {
        let mut narrow = Space::new(16, &[]).unwrap();
        assert_eq!(narrow.map(&table(&[(0x4_0000, 16)]), true, || ()), Err(Errno::ENOMEM));
        assert_eq!(narrow.map(&table(&[(0x4_0000, 15)]), true, || ()), Ok(1));
        assert_eq!(Space::new(1, &[]).unwrap().map(&table(&[(1, 1)]), true, || ()), Err(Errno::ENOMEM));
    }
}
