//! The system heap: any page frames, in the largest runs to be had (Linux: `heaps/system_heap.c`).

use core::marker::PhantomData;

use crate::addr::{PAGE_SHIFT, PhysAddr};
use crate::platform::Pages;
use crate::provider::HeapOps;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// The orders tried, largest first: 1 MiB, 64 KiB and a page.
const ORDERS: [u32; 3] = [8, 4, 0];

/// The system heap's operations. It has no private data.
pub struct SystemHeap<P: Pages>(PhantomData<P>);

impl<P: Pages> SystemHeap<P> {
    /// The operations.
    pub const fn new() -> SystemHeap<P> {
        SystemHeap(PhantomData)
    }
}

impl<P: Pages> Default for SystemHeap<P> {
    fn default() -> Self {
        SystemHeap::new()
    }
}

impl<P: Pages> HeapOps for SystemHeap<P> {
    fn kind(&self) -> &'static str {
        "system heap"
    }

    fn allocate(&self, len: usize, _flags: u64) -> Result<SgTable> {
        let pages = len >> PAGE_SHIFT;
        P::admit(pages)?;
        let mut table = SgTable::new();
        match fill::<P>(&mut table, pages) {
            Ok(()) => Ok(table),
            Err(errno) => {
                self.release(table);
                Err(errno)
            }
        }
    }

    fn release(&self, table: SgTable) {
        for run in table.runs() {
            P::free_run(run.start(), run.pages().trailing_zeros());
        }
    }
}

/// Adds `pages` zeroed page frames. Once an order was not to be had, larger ones are not tried again.
fn fill<P: Pages>(table: &mut SgTable, pages: usize) -> Result<()> {
    let mut largest = ORDERS[0];
    while table.pages() < pages {
        if P::fatal_signal_pending() {
            return Err(Errno::EINTR);
        }
        let (start, order) = take::<P>(pages - table.pages(), largest).ok_or(Errno::ENOMEM)?;
        let pushed = Run::new(start, 1 << order).and_then(|run| table.push(run));
        if let Err(errno) = pushed {
            P::free_run(start, order);
            return Err(errno);
        }
        P::zero(start, 1 << order);
        largest = order;
    }
    Ok(())
}

/// The largest run of at most `pages` pages and order `largest`.
fn take<P: Pages>(pages: usize, largest: u32) -> Option<(PhysAddr, u32)> {
    let fits = |order: &&u32| **order <= largest && 1 << **order <= pages;
    ORDERS.iter().filter(fits).find_map(|&order| Some((P::alloc_run(order)?, order)))
}
