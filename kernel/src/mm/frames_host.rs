//! A stand-in for the page frames where unit tests run: every test thread has its own small machine, whose frames other
//! threads may use and give back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

/// Frames of one test thread's machine.
const TOTAL: usize = 4096;

struct Page {
    bytes: Box<[u8; PAGE_SIZE]>,
    holders: u32,
    /// Of those, pins.
    pins: u32,
    /// How many frames its machine has given out.
    taken: Arc<AtomicUsize>,
}

static PAGES: Mutex<BTreeMap<u64, Page>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0x40000);

std::thread_local! {
    static TAKEN: Arc<AtomicUsize> = Arc::default();
}

fn with<T>(pa: PhysAddr, f: impl FnOnce(&mut Page) -> T) -> T {
    // A test that failed elsewhere has not damaged a page.
    let mut pages = PAGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    f(pages.get_mut(&pa.get()).expect("a frame that is allocated"))
}

/// Frames in the machine.
pub fn total_count() -> usize {
    TOTAL
}

/// Frames nobody holds.
pub fn free_count() -> usize {
    TOTAL - TAKEN.with(|taken| taken.load(Ordering::Relaxed))
}

/// One page frame, owned; dropping it gives it back.
#[derive(Debug)]
pub struct Frame(PhysAddr);

impl Frame {
    /// Its address.
    pub fn addr(&self) -> PhysAddr {
        self.0
    }

    /// Takes ownership of a frame that was given up.
    pub fn from_raw(pa: PhysAddr) -> Frame {
        Frame(pa)
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
    let taken = TAKEN.with(Arc::clone);
    if taken.fetch_add(1, Ordering::Relaxed) >= TOTAL {
        taken.fetch_sub(1, Ordering::Relaxed);
        return Err(Errno::ENOMEM);
    }
    let pa = PhysAddr::from_pfn(NEXT.fetch_add(1, Ordering::Relaxed));
    let page = Page { bytes: Box::new([0; PAGE_SIZE]), holders: 1, pins: 0, taken };
    PAGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(pa.get(), page);
    Ok(Frame(pa))
}

/// One more holder.
pub fn share(pa: PhysAddr) {
    with(pa, |page| page.holders += 1);
}

/// One more holder, who knows the frame by its address.
pub fn pin(pa: PhysAddr) {
    with(pa, |page| (page.holders, page.pins) = (page.holders + 1, page.pins + 1));
}

/// Takes a pin back.
pub fn unpin(pa: PhysAddr) {
    with(pa, |page| page.pins -= 1);
    unshare(pa);
}

/// Whether somebody knows the frame by its address.
pub fn is_pinned(pa: PhysAddr) -> bool {
    with(pa, |page| page.pins != 0)
}

/// One holder less; the last one frees.
pub fn unshare(pa: PhysAddr) {
    let mut pages = PAGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let page = pages.get_mut(&pa.get()).expect("a frame that is allocated");
    page.holders -= 1;
    if page.holders == 0 {
        page.taken.fetch_sub(1, Ordering::Relaxed);
        pages.remove(&pa.get());
    }
}

/// How many holders there are beside the first.
pub fn shares(pa: PhysAddr) -> u32 {
    with(pa, |page| page.holders - 1)
}

/// Overwrites part of a frame.
pub fn write(pa: PhysAddr, offset: usize, bytes: &[u8]) {
    with(pa, |page| page.bytes[offset..offset + bytes.len()].copy_from_slice(bytes));
}

/// Reads part of a frame.
pub fn read(pa: PhysAddr, offset: usize, bytes: &mut [u8]) {
    with(pa, |page| bytes.copy_from_slice(&page.bytes[offset..offset + bytes.len()]));
}

/// Reads 64 bits of a frame.
pub fn read_word(at: PhysAddr) -> u64 {
    let mut bytes = [0; 8];
    read(PhysAddr::from_pfn(at.pfn()), at.get() as usize % PAGE_SIZE, &mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Writes 64 bits of a frame.
pub fn write_word(at: PhysAddr, value: u64) {
    write(PhysAddr::from_pfn(at.pfn()), at.get() as usize % PAGE_SIZE, &value.to_ne_bytes());
}

/// Zeroes frames.
pub fn zero(start: PhysAddr, pages: usize) {
    (0..pages as u64).for_each(|at| with(start.add_pages(at), |page| page.bytes.fill(0)));
}

/// Copies a whole frame.
pub fn copy(dst: PhysAddr, src: PhysAddr) {
    let bytes = with(src, |page| page.bytes.clone());
    with(dst, |page| page.bytes = bytes);
}
