//! Every address space there is, for who has to take fixed memory away from whoever maps it. (Files of pages know who
//! maps them: [`mappers`](super::aspace::mappers). A buffer's mappings are too many and too cheap to be written down for
//! what hardly ever happens.)
//!
//! Memory goes in this order: whoever gives it out says that it is revoked, then [`unmap_revoked`] takes it from every
//! address space, then it may be used otherwise. Who maps it meanwhile does so under the address space's lock, and either
//! saw that it is revoked or is seen here. So is a child that is being forked: it is on the list before its parent, whose
//! lock the fork holds, can be looked at.
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, PhysAddr, Result};

use super::aspace::Space;
use super::aspace::layout::Layout;
use crate::sync::{SpinLock, order};

/// Room made at first, so that the list's own memory hardly ever changes.
const ROOM: usize = 256;

struct Spaces {
    /// In the order of their numbers, which is that of their coming.
    list: Vec<(u64, Weak<Space>)>,
    last: u64,
    /// How many places there are, entered or not: there is room for all.
    places: usize,
}

static SPACES: SpinLock<Spaces, { order::SPACES }> =
    SpinLock::new(Spaces { list: Vec::new(), last: 0, places: 0 });

/// A place on the list. Dropped, it is free again.
pub struct Place(u64);

impl Place {
    /// Makes room for an address space. `ENOMEM`.
    pub fn reserve() -> Result<Place> {
        let mut spaces = SPACES.lock();
        let wanted = ROOM.max(spaces.places + 1) - spaces.list.len();
        spaces.list.try_reserve(wanted).map_err(|_| Errno::ENOMEM)?;
        spaces.places += 1;
        spaces.last += 1;
        Ok(Place(spaces.last))
    }

    /// Enters the address space that the room was made for.
    pub fn enter(&mut self, space: &Arc<Space>) {
        let mut spaces = SPACES.lock();
        // Numbered anew: whoever goes through the list has not been past it.
        spaces.last += 1;
        self.0 = spaces.last;
        spaces.list.push((self.0, Arc::downgrade(space)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut spaces = SPACES.lock();
        spaces.places -= 1;
        let at = spaces.list.binary_search_by_key(&self.0, |(number, _)| *number);
        let gone = at.ok().map(|at| spaces.list.remove(at));
        drop(spaces);
        drop(gone);
    }
}

/// Takes all revoked memory from every address space. When it returns no access reaches it; to try is SIGBUS. May sleep.
pub fn unmap_revoked() {
    find(|layout| {
        layout.unmap_revoked();
        None::<()>
    });
}

/// What was found mapped.
pub struct Mapping<T> {
    /// In which address space.
    pub space: Weak<Space>,
    /// Where.
    pub at: u64,
    /// What was found about it.
    pub what: T,
}

/// The first page that some address space maps and that `f` finds something about. `f` is given a frame and how many
/// frames are mapped in a row from there. May sleep.
pub fn find_mapping<T>(f: &dyn Fn(PhysAddr, usize) -> Option<T>) -> Option<Mapping<T>> {
    let (space, (at, what)) = find(|layout| layout.find_mapping(f))?;
    Some(Mapping { space, at, what })
}

/// Where a private page of some address space is in one of `frames`. May sleep.
pub fn find_private_mapping(frames: &Range<PhysAddr>) -> Option<Mapping<()>> {
    let (space, at) = find(|layout| layout.find_private_mapping(frames))?;
    Some(Mapping { space, at, what: () })
}

/// The first that `f` finds in any address space, and in which. Those that come meanwhile are looked at too.
pub(super) fn find<T>(mut f: impl FnMut(&mut Layout) -> Option<T>) -> Option<(Weak<Space>, T)> {
    let mut last = 0;
    loop {
        let (number, space) = {
            let spaces = SPACES.lock();
            let at = spaces.list.partition_point(|(number, _)| *number <= last);
            let (number, space) = spaces.list.get(at)?;
            (*number, space.clone())
        };
        last = number;
        // Dropped outside of the lock: this may be the last reference by now.
        if let Some(found) = space.upgrade().and_then(|space| f(&mut space.lock())) {
            return Some((space, found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::AddressSpace;

    #[test]
    fn address_spaces_are_found_while_they_live() {
        let mm = AddressSpace::new().unwrap();
        let child = mm.fork().unwrap();
        let (of_mm, of_child) = (mm.space(), child.space());
        let listed = |space: &Weak<Space>| SPACES.lock().list.iter().any(|(_, there)| there.ptr_eq(space));
        assert!(listed(&of_mm) && listed(&of_child));
        drop(mm);
        assert!(!listed(&of_mm) && listed(&of_child));
    }
}
