//! Page frames: `buddy_system_allocator` behind a lock, a few frames per CPU in front of it, a share count per frame.
//!
//! Counts model `struct page`'s `_refcount` for anonymous memory: a frame shared copy-on-write by n address
//! spaces has n - 1 shares. Lock order: a CPU's cache, then the buddy allocator, then the object heap.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arrayvec::ArrayVec;
use buddy_system_allocator::FrameAllocator;
use heaps::{Errno, PAGE_SIZE, PhysAddr, Result, Run};
use spin::Once;

use super::{in_flight, loans};
use crate::arch;
use crate::sync::{SpinLock, order};

/// The largest block is 2^MAX_ORDER frames.
const MAX_ORDER: usize = 20;
/// Frames a CPU keeps to itself, and how many it moves at once.
const CACHE: usize = 64;
const BATCH: usize = 32;

type Cache = ArrayVec<u32, CACHE>;

static BUDDY: SpinLock<FrameAllocator<MAX_ORDER>, { order::FRAMES }> = SpinLock::new(FrameAllocator::new());
static CACHES: [SpinLock<Cache, { order::FRAME_CACHE }>; arch::MAX_CPUS] =
    [const { SpinLock::new(ArrayVec::new_const()) }; arch::MAX_CPUS];
static FREE: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);
static SHARES: Once<Shares> = Once::new();

/// Who has a frame beside its first owner. Both are 0 for a frame that is free, or that one owner has.
pub struct Holders {
    /// All others.
    shares: AtomicU32,
    /// Of those, the ones that know it by its address: it must stay where it is.
    pins: AtomicU32,
}

struct Shares {
    first_pfn: u64,
    counts: &'static [Holders],
}

impl Shares {
    fn of(pa: PhysAddr) -> Option<&'static Holders> {
        let shares = SHARES.get()?;
        shares.counts.get(pa.pfn().checked_sub(shares.first_pfn)? as usize)
    }
}

/// Tells where share counts are kept: one for each frame from `first_pfn` on. Once, at boot.
pub fn init_shares(first_pfn: u64, counts: &'static [Holders]) {
    SHARES.call_once(|| Shares { first_pfn, counts });
}

/// Gives the frames from `start` up to `end` to the allocator. At boot.
pub fn add(start: PhysAddr, end: PhysAddr) {
    let (first, last) = (start.get().div_ceil(PAGE_SIZE as u64), end.pfn());
    if first < last {
        BUDDY.lock().add_frame(first as usize, last as usize);
        FREE.fetch_add((last - first) as usize, Ordering::Relaxed);
        TOTAL.fetch_add((last - first) as usize, Ordering::Relaxed);
    }
}

/// All of memory, from the first frame to the last; not all between need be there.
///
/// # Panics
/// Before [`init_shares`].
pub fn span() -> Run {
    let shares = SHARES.get().expect("boot sets the counts up");
    let pages = shares.counts.len().min(Run::MAX_PAGES);
    Run::new(PhysAddr::from_pfn(shares.first_pfn), pages).expect("there is memory")
}

/// Frames nobody owns.
pub fn free_count() -> usize {
    FREE.load(Ordering::Relaxed)
}

/// Frames there are.
pub fn total_count() -> usize {
    TOTAL.load(Ordering::Relaxed)
}

/// Takes a naturally aligned block of `1 << order` frames, contents unspecified.
pub fn alloc_order(order: u32) -> Result<PhysAddr> {
    if order == 0 {
        return alloc_one();
    }
    if order as usize >= MAX_ORDER {
        return Err(Errno::ENOMEM);
    }
    let mut taken = BUDDY.lock().alloc(1 << order);
    if taken.is_none() {
        drain_caches();
        taken = BUDDY.lock().alloc(1 << order);
    }
    let pfn = taken.ok_or(Errno::ENOMEM)?;
    FREE.fetch_sub(1 << order, Ordering::Relaxed);
    Ok(PhysAddr::from_pfn(pfn as u64))
}

/// Gives back what [`alloc_order`] gave, with the same order.
pub fn free_order(start: PhysAddr, order: u32) {
    if order == 0 {
        return free_one(start);
    }
    in_flight::check(start, 1 << order);
    BUDDY.lock().dealloc(start.pfn() as usize, 1 << order);
    FREE.fetch_add(1 << order, Ordering::Relaxed);
}

fn alloc_one() -> Result<PhysAddr> {
    let mut cache = CACHES[arch::cpu_id()].lock();
    if cache.is_empty() {
        refill(&mut cache);
    }
    let taken = cache.pop();
    drop(cache);
    let pfn = match taken {
        Some(pfn) => pfn,
        None => {
            drain_caches();
            BUDDY.lock().alloc(1).ok_or(Errno::ENOMEM)? as u32
        }
    };
    FREE.fetch_sub(1, Ordering::Relaxed);
    Ok(PhysAddr::from_pfn(u64::from(pfn)))
}

fn free_one(pa: PhysAddr) {
    in_flight::check(pa, 1);
    if loans::give_back(pa) {
        return;
    }
    let mut cache = CACHES[arch::cpu_id()].lock();
    if cache.is_full() {
        let mut buddy = BUDDY.lock();
        for pfn in cache.drain(..BATCH) {
            buddy.dealloc(pfn as usize, 1);
        }
    }
    cache.push(pa.pfn() as u32);
    FREE.fetch_add(1, Ordering::Relaxed);
}

fn refill(cache: &mut Cache) {
    let mut buddy = BUDDY.lock();
    if let Some(first) = buddy.alloc(BATCH) {
        cache.extend((first as u32..(first + BATCH) as u32).rev());
    } else if let Some(pfn) = buddy.alloc(1) {
        cache.push(pfn as u32);
    }
}

fn drain_caches() {
    for cache in &CACHES {
        let taken = core::mem::take(&mut *cache.lock());
        let mut buddy = BUDDY.lock();
        for pfn in taken {
            buddy.dealloc(pfn as usize, 1);
        }
    }
}

/// One page frame, owned: dropped, it is free again.
#[derive(Debug)]
pub struct Frame(PhysAddr);

impl Frame {
    /// Its first byte.
    pub fn addr(&self) -> PhysAddr {
        self.0
    }

    /// Gives up ownership; [`unshare`] or [`Frame::from_raw`] take it up again.
    pub fn into_raw(self) -> PhysAddr {
        let pa = self.0;
        core::mem::forget(self);
        pa
    }

    /// Takes ownership of a frame that [`Frame::into_raw`] gave up and nobody shares.
    pub fn from_raw(pa: PhysAddr) -> Frame {
        Frame(pa)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        free_one(self.0);
    }
}

/// A frame, contents unspecified. `ENOMEM`.
pub fn alloc() -> Result<Frame> {
    alloc_one().map(Frame)
}

/// A frame of zeroes. `ENOMEM`.
pub fn alloc_zeroed() -> Result<Frame> {
    let frame = alloc()?;
    zero(frame.addr(), 1);
    Ok(frame)
}

/// One more address space maps the frame.
pub fn share(pa: PhysAddr) {
    if let Some(holders) = Shares::of(pa) {
        holders.shares.fetch_add(1, Ordering::Relaxed);
    }
}

/// Somebody more has the frame, and knows it by its address (Linux: a pin of `get_user_pages`).
pub fn pin(pa: PhysAddr) {
    share(pa);
    if let Some(holders) = Shares::of(pa) {
        holders.pins.fetch_add(1, Ordering::AcqRel);
    }
}

/// Takes a [`pin`] back.
pub fn unpin(pa: PhysAddr) {
    if let Some(holders) = Shares::of(pa) {
        holders.pins.fetch_sub(1, Ordering::AcqRel);
    }
    unshare(pa);
}

/// Whether somebody knows the frame by its address.
pub fn is_pinned(pa: PhysAddr) -> bool {
    Shares::of(pa).is_some_and(|holders| holders.pins.load(Ordering::Acquire) != 0)
}

/// One address space fewer maps the frame; the last one frees it.
pub fn unshare(pa: PhysAddr) {
    let last = match Shares::of(pa) {
        Some(holders) => {
            let one_less = |n: u32| n.checked_sub(1);
            holders.shares.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err()
        }
        None => false,
    };
    if last {
        free_one(pa);
    }
}

/// How many address spaces map the frame beside the first.
pub fn shares(pa: PhysAddr) -> u32 {
    Shares::of(pa).map_or(0, |holders| holders.shares.load(Ordering::Acquire))
}

/// Zeroes `pages` frames from `start`, which the caller owns.
pub fn zero(start: PhysAddr, pages: usize) {
    arch::zero_pages(start, pages);
}

/// Copies `bytes` into the frame at `pa` from `offset` on, up to its end.
pub fn write(pa: PhysAddr, offset: usize, bytes: &[u8]) {
    arch::write_phys(PhysAddr::new(pa.get() + offset as u64), clamp(offset, bytes));
}

/// Fills `buf` from the frame at `pa`, from `offset` on, up to its end.
pub fn read(pa: PhysAddr, offset: usize, buf: &mut [u8]) {
    let len = buf.len().min(PAGE_SIZE - offset);
    arch::read_phys(PhysAddr::new(pa.get() + offset as u64), &mut buf[..len]);
}

/// Reads 64 bits of a frame that a device may write meanwhile.
pub fn read_word(at: PhysAddr) -> u64 {
    arch::phys::read_word(at)
}

/// Writes 64 bits of a frame that a device may read meanwhile, at once. It sees what was written before no later.
pub fn write_word(at: PhysAddr, value: u64) {
    arch::phys::write_word(at, value);
}

/// Copies a whole frame.
pub fn copy(to: PhysAddr, from: PhysAddr) {
    arch::copy_page(to, from);
}

fn clamp(offset: usize, bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(PAGE_SIZE - offset)]
}
