//! Anonymous pages that several address spaces see: `MAP_SHARED|MAP_ANONYMOUS` across fork (Linux: `mm/shmem.c`).

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{PAGE_SIZE, PhysAddr, Result};

use crate::mm::admit::admit;
use crate::mm::commit;
use crate::mm::frames::{self, Frame};
use crate::sync::{Mutex, order};

/// Pages by number, allocated at the first touch of anyone.
pub struct SharedPages {
    number: u64,
    pages: Mutex<BTreeMap<u64, Frame>, { order::SHARED_PAGES }>,
}

impl Default for SharedPages {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedPages {
    /// No page yet.
    pub fn new() -> SharedPages {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        SharedPages { number: NEXT.fetch_add(1, Ordering::Relaxed), pages: Mutex::new(BTreeMap::new()) }
    }

    /// What tells it from others.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether page `index` is there.
    pub fn has(&self, index: u64) -> bool {
        self.pages.lock().contains_key(&index)
    }

    /// Makes pages read as zeros, whoever maps them. May sleep.
    pub fn wipe(&self, first: u64, count: u64) {
        for (_, frame) in self.pages.lock().range(first..first.saturating_add(count)) {
            let zeros = [0; 256];
            for at in (0..PAGE_SIZE).step_by(zeros.len()) {
                frames::write(frame.addr(), at, &zeros);
            }
        }
    }

    /// Page `index`, with a share of it for the caller. `ENOMEM`. May sleep.
    pub fn page(&self, index: u64) -> Result<PhysAddr> {
        let mut pages = self.pages.lock();
        let pa = match pages.get(&index) {
            Some(frame) => frame.addr(),
            None => {
                admit()?;
                pages.entry(index).insert_entry(commit::zeroed_page()?).get().addr()
            }
        };
        frames::share(pa);
        Ok(pa)
    }
}
