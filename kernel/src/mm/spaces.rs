//! Every address space there is, for who has to take memory away from whoever maps it (Linux: what rmap is for,
//! `unmap_mapping_range`).
//!
//! Memory goes in this order: whoever gives it out says that it is revoked, then [`unmap_revoked`] takes it from every
//! address space, then it may be used otherwise. An address space that maps it meanwhile does so under its own lock, and
//! either saw that it is revoked or is seen here; one that is being made enters the list first and then looks again.
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use heaps::{Errno, PhysAddr, Result};

use super::AddressSpace;
use crate::sync::{SpinLock, order};

/// Room made at first, so that the list's own memory hardly ever changes.
const ROOM: usize = 256;

struct Spaces {
    /// In the order of their numbers.
    list: Vec<(u64, Weak<AddressSpace>)>,
    /// How many there are, entered or not: there is room for all.
    live: usize,
}

static SPACES: SpinLock<Spaces, { order::SPACES }> = SpinLock::new(Spaces { list: Vec::new(), live: 0 });
static LAST: AtomicU64 = AtomicU64::new(0);
/// Whether anything was ever revoked.
static REVOKED: AtomicBool = AtomicBool::new(false);

/// Makes room for one more. `ENOMEM`.
pub(super) fn admit() -> Result<()> {
    let mut spaces = SPACES.lock();
    let wanted = ROOM.max(spaces.live + 1) - spaces.list.len();
    spaces.list.try_reserve(wanted).map_err(|_| Errno::ENOMEM)?;
    spaces.live += 1;
    Ok(())
}

/// Enters an address space that room was made for; its number.
pub(super) fn enter(mm: &Arc<AddressSpace>) -> u64 {
    let mut spaces = SPACES.lock();
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    spaces.list.push((number, Arc::downgrade(mm)));
    number
}

/// Strikes an address space out; `number` is 0 for one that never entered.
pub(super) fn leave(number: u64) {
    let mut spaces = SPACES.lock();
    spaces.live -= 1;
    let at = spaces.list.binary_search_by_key(&number, |(number, _)| *number);
    let gone = at.ok().map(|at| spaces.list.remove(at));
    drop(spaces);
    drop(gone);
}

/// Whether there may be revoked memory somewhere.
pub(super) fn any_revoked() -> bool {
    REVOKED.load(Ordering::SeqCst)
}

/// Takes all revoked memory from every address space. When it returns no access reaches it; to try is SIGBUS. May sleep.
pub fn unmap_revoked() {
    REVOKED.store(true, Ordering::SeqCst);
    let _: Option<()> = find(|mm| {
        mm.unmap_revoked();
        None
    });
}

/// Where a frame of `frames` is mapped by some address space, as memory of a file. May sleep.
pub fn find_mapping(frames: Range<PhysAddr>) -> Option<u64> {
    find(|mm| mm.find_mapping(&frames))
}

/// The first that `f` finds in any address space. Those that come meanwhile are looked at too.
fn find<T>(mut f: impl FnMut(&AddressSpace) -> Option<T>) -> Option<T> {
    let mut last = 0;
    loop {
        let (number, mm) = {
            let spaces = SPACES.lock();
            let at = spaces.list.partition_point(|(number, _)| *number <= last);
            let (number, mm) = spaces.list.get(at)?;
            (*number, mm.upgrade())
        };
        last = number;
        // Dropped outside of the lock: this may be the last reference by now.
        if let Some(found) = mm.and_then(|mm| f(&mm)) {
            return Some(found);
        }
    }
}
