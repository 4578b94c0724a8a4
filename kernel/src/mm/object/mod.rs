//! The kernel object heap: `linked_list_allocator` under size classes, with a tag and a record for every object.
//!
//! An object's memory carries a tag that its pointer carries too; freeing changes the memory's tag, so that a
//! stale pointer faults at its next use. Freed objects wait in a quarantine before their memory serves again.
//! Each object's record, just below it, says who allocated and who freed it (KASAN's and SLUB's user tracking).
#![allow(unsafe_code)]

pub mod canary;
mod classes;
pub mod leaks;
mod record;
mod region;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heaps::{Errno, Result};

pub use record::{Kind, Reach, Record, State, Trace};
use region::Region;

use crate::arch::{self, backtrace::frame_pointer};
use crate::debug::report;
use crate::sync::{IrqLock, order};

static REGION: IrqLock<Region, { order::OBJECTS }> = IrqLock::new(Region::empty());
static LIVE_OBJECTS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the region that live objects and their records do not occupy.
static ROOM: AtomicUsize = AtomicUsize::new(0);
static RESERVE: AtomicUsize = AtomicUsize::new(0);
/// The block that was set aside for hard times is in use: nothing new is started.
static SPARE_OPEN: AtomicBool = AtomicBool::new(false);

/// An allocation this large is never needed to make progress, and leaves the reserve alone, but for lists of tasks
/// and waiters: they grow under locks that nobody can be refused under.
const LARGE: usize = 4096;
const UNREFUSABLE: u64 = order::BOOKKEEPING | 1 << order::PROCESS_TREE | 1 << order::FUTEX;

/// Gives the heap its memory. Once, at boot.
///
/// # Safety
/// `start..start + len` is mapped tagged, writable, and nobody else's for good.
pub unsafe fn init(start: *mut u8, len: usize) {
    let reserve = len / 16;
    // SAFETY: the caller gives the memory away.
    unsafe { REGION.lock().init(start, len, reserve) };
    ROOM.store(len, Ordering::Relaxed);
    RESERVE.store(reserve, Ordering::Relaxed);
}

/// `ENOMEM` when so little is left that nothing new may be started; what is under way can still be finished.
pub fn admit() -> Result<()> {
    let room = ROOM.load(Ordering::Relaxed) >= RESERVE.load(Ordering::Relaxed);
    if room && (!SPARE_OPEN.load(Ordering::Relaxed) || restock()) { Ok(()) } else { Err(Errno::ENOMEM) }
}

#[cold]
fn restock() -> bool {
    let mut region = REGION.lock();
    let there = region.restock();
    SPARE_OPEN.store(!there, Ordering::Relaxed);
    there
}

/// Live objects, and the bytes asked for them; nodes of the kernel's own books do not count.
pub fn live() -> (usize, usize) {
    (LIVE_OBJECTS.load(Ordering::Relaxed), LIVE_BYTES.load(Ordering::Relaxed))
}

/// Lets all quarantined memory serve again.
pub fn drain() {
    REGION.lock().drain();
}

/// Names the type of the object at `ptr` for reports.
pub fn name(ptr: *const u8, kind: Kind) {
    REGION.lock().name(ptr, kind);
}

/// The record of the object that the (possibly stale) address belongs to, and how far into it it points.
pub fn find(addr: *const u8) -> Option<(Record, isize)> {
    REGION.lock().find(addr)
}

/// How many objects there have ever been; the serial number of the youngest.
pub fn serial() -> u32 {
    REGION.lock().serial()
}

/// Calls `f` with every live object's record, under the heap's lock: `f` neither allocates nor prints.
pub fn each_live(f: &mut dyn FnMut(&Record)) {
    REGION.lock().each_live(&mut |_, record| f(record));
}

/// The allocator behind `alloc`.
pub struct ObjectHeap;

// SAFETY: memory comes from the region, is handed out once until freed, and fits the layout.
unsafe impl GlobalAlloc for ObjectHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = arch::held_locks();
        if layout.size() >= LARGE && held & UNREFUSABLE == 0 && admit_bytes(layout.size()).is_err() {
            return core::ptr::null_mut();
        }
        let fp = frame_pointer();
        let bookkeeping = held & order::BOOKKEEPING != 0;
        let mut region = REGION.lock();
        let object = region.alloc(layout, bookkeeping, fp);
        if !region.has_spare() {
            SPARE_OPEN.store(true, Ordering::Relaxed);
        }
        drop(region);
        let Some((ptr, occupied)) = object else { return core::ptr::null_mut() };
        if !bookkeeping {
            LIVE_OBJECTS.fetch_add(1, Ordering::Relaxed);
            LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        }
        ROOM.fetch_sub(occupied, Ordering::Relaxed);
        ptr
    }

    unsafe fn dealloc(&self, ptr: *mut u8, _: Layout) {
        let fp = frame_pointer();
        // Taken apart from the match: the report below must not be made under the lock.
        let freed = REGION.lock().free(ptr, fp);
        match freed {
            Some(freed) => {
                if !freed.bookkeeping {
                    LIVE_OBJECTS.fetch_sub(1, Ordering::Relaxed);
                    LIVE_BYTES.fetch_sub(freed.size, Ordering::Relaxed);
                }
                ROOM.fetch_add(freed.block, Ordering::Relaxed);
            }
            None => report::invalid_free(ptr, find(ptr).map(|(record, _)| record).as_ref()),
        }
    }
}

fn admit_bytes(bytes: usize) -> Result<()> {
    let wanted = bytes.saturating_add(RESERVE.load(Ordering::Relaxed));
    if ROOM.load(Ordering::Relaxed) < wanted { Err(Errno::ENOMEM) } else { Ok(()) }
}
