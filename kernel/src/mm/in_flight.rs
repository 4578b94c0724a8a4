//! Page frames that a device reads or writes right now: they must not go to anybody else. Every frame that is given
//! back, or handed out anew, is checked while there are any.
//!
//! Eight transfers at a time; each is a word, so that the check takes no lock.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use crate::debug::report;

/// Bits for the number of frames; the rest is the first one's number.
const PAGES_BITS: u32 = 24;

static TRANSFERS: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A device's access to frames; it has to be over when this is dropped.
#[derive(Debug)]
pub struct InFlight(usize);

/// A device is about to reach `len` bytes from `start`. `EINVAL` for none, or 64 GiB and more; `EBUSY` when there are
/// eight already. From any context.
pub fn begin(start: PhysAddr, len: u64) -> Result<InFlight> {
    let last = start.get().checked_add(len).ok_or(Errno::EINVAL)?.div_ceil(PAGE_SIZE as u64);
    let pages = last - start.pfn();
    if len == 0 || pages >> PAGES_BITS != 0 {
        return Err(Errno::EINVAL);
    }
    let word = start.pfn() << PAGES_BITS | pages;
    COUNT.fetch_add(1, Ordering::SeqCst);
    let free = |slot: &AtomicU64| slot.compare_exchange(0, word, Ordering::SeqCst, Ordering::Relaxed).is_ok();
    TRANSFERS.iter().position(free).map(InFlight).ok_or_else(|| {
        COUNT.fetch_sub(1, Ordering::SeqCst);
        Errno::EBUSY
    })
}

impl Drop for InFlight {
    fn drop(&mut self) {
        TRANSFERS[self.0].store(0, Ordering::SeqCst);
        COUNT.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reports it if a device reaches one of the `pages` frames from `start`, which are about to change hands.
#[inline]
pub fn check(start: PhysAddr, pages: usize) {
    if COUNT.load(Ordering::Relaxed) > 0 {
        check_all(start, pages);
    }
}

#[cold]
fn check_all(start: PhysAddr, pages: usize) {
    let end = start.pfn() + pages as u64;
    for word in TRANSFERS.iter().map(|slot| slot.load(Ordering::SeqCst)) {
        let (first, count) = (word >> PAGES_BITS, word & ((1 << PAGES_BITS) - 1));
        if first < end && start.pfn() < first + count {
            report::reused_in_flight(start, pages);
        }
    }
}

/// Gives a frame back that a device still reaches: what must be caught.
#[cfg(target_os = "none")]
pub fn free_one_in_flight() {
    if let Ok(frame) = super::frames::alloc() {
        let _transfer = begin(frame.addr(), 1);
        drop(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_in_flight_until_its_transfer_is_over() {
        let transfer = begin(PhysAddr::new(0x7000_0800), 0x1000).unwrap();
        check(PhysAddr::new(0x6fff_f000), 1);
        check(PhysAddr::new(0x7000_2000), 1);
        let caught = |at| std::panic::catch_unwind(|| check(PhysAddr::new(at), 1)).is_err();
        assert!(caught(0x7000_0000) && caught(0x7000_1000));
        drop(transfer);
        check(PhysAddr::new(0x7000_0000), 2);
        assert_eq!(begin(PhysAddr::new(0), 0).unwrap_err(), Errno::EINVAL);
        let all: Vec<_> = (1..9).map(|n| begin(PhysAddr::new(n << 40), 1).unwrap()).collect();
        assert_eq!(begin(PhysAddr::new(0), 1).unwrap_err(), Errno::EBUSY);
        drop(all);
        drop(begin(PhysAddr::new(0), 1).unwrap());
    }
}
