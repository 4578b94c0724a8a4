//! A stand-in for the page frames where unit tests run: every test thread has its own small machine.

use core::cell::RefCell;
use std::collections::BTreeMap;

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

/// Frames of one test thread's machine.
const TOTAL: usize = 4096;

#[derive(Default)]
struct Machine {
    next: u64,
    pages: BTreeMap<u64, (Box<[u8; PAGE_SIZE]>, u32)>,
}

std::thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

fn with<T>(pa: PhysAddr, f: impl FnOnce(&mut (Box<[u8; PAGE_SIZE]>, u32)) -> T) -> T {
    MACHINE.with_borrow_mut(|m| f(m.pages.get_mut(&pa.get()).expect("a frame that is allocated")))
}

/// Frames in the machine.
pub fn total_count() -> usize {
    TOTAL
}

/// Frames nobody holds.
pub fn free_count() -> usize {
    MACHINE.with_borrow(|m| TOTAL - m.pages.len())
}

/// One page frame, owned; dropping it gives it back.
#[derive(Debug)]
pub struct Frame(PhysAddr);

impl Frame {
    /// Its address.
    pub fn addr(&self) -> PhysAddr {
        self.0
    }

    /// Gives up ownership; the frame stays held.
    pub fn into_raw(self) -> PhysAddr {
        let pa = self.0;
        core::mem::forget(self);
        pa
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        unshare(self.0);
    }
}

/// A frame with one holder.
pub fn alloc() -> Result<Frame> {
    alloc_zeroed()
}

/// A frame of zeroes with one holder.
pub fn alloc_zeroed() -> Result<Frame> {
    MACHINE.with_borrow_mut(|m| {
        if m.pages.len() == TOTAL {
            return Err(Errno::ENOMEM);
        }
        m.next += 1;
        let pa = PhysAddr::from_pfn(0x40000 + m.next);
        m.pages.insert(pa.get(), (Box::new([0; PAGE_SIZE]), 1));
        Ok(Frame(pa))
    })
}

/// One more holder.
pub fn share(pa: PhysAddr) {
    with(pa, |page| page.1 += 1);
}

/// One holder less; the last one frees.
pub fn unshare(pa: PhysAddr) {
    let left = with(pa, |page| {
        page.1 -= 1;
        page.1
    });
    if left == 0 {
        MACHINE.with_borrow_mut(|m| m.pages.remove(&pa.get()));
    }
}

/// How many holders there are beside the first.
pub fn shares(pa: PhysAddr) -> u32 {
    with(pa, |page| page.1 - 1)
}

/// Overwrites part of a frame.
pub fn write(pa: PhysAddr, offset: usize, bytes: &[u8]) {
    with(pa, |page| page.0[offset..offset + bytes.len()].copy_from_slice(bytes));
}

/// Reads part of a frame.
pub fn read(pa: PhysAddr, offset: usize, bytes: &mut [u8]) {
    with(pa, |page| bytes.copy_from_slice(&page.0[offset..offset + bytes.len()]));
}

/// Copies a whole frame.
pub fn copy(dst: PhysAddr, src: PhysAddr) {
    let bytes = with(src, |page| page.0.clone());
    with(dst, |page| page.0 = bytes);
}
