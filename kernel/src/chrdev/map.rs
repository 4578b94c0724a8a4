//! The map from device numbers to cdevs (Linux: `cdev_map`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::{CdevPtr, CdevRef, DevT};
use crate::sync::{SpinLock, order};

/// Room made at first, so that the map's own memory hardly ever changes: more than there are heap minors.
const ROOM: usize = 192;

/// Sorted by number.
static MAP: SpinLock<Vec<(DevT, CdevPtr)>, { order::CDEV_MAP }> = SpinLock::new(Vec::new());

/// Lets a number lead to `cdev`, uncounted, until [`unmap`]. `EBUSY` when the number is taken, `ENOMEM`.
pub fn map(devt: DevT, cdev: CdevPtr) -> Result<()> {
    let mut map = MAP.lock();
    let Err(at) = map.binary_search_by_key(&devt, |(number, _)| *number) else {
        return Err(Errno::EBUSY);
    };
    let more = if map.capacity() == 0 { ROOM } else { 1 };
    map.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
    map.insert(at, (devt, cdev));
    Ok(())
}

/// Lets a number lead nowhere; afterwards no look-up hands its cdev out.
pub fn unmap(devt: DevT) {
    let mut map = MAP.lock();
    if let Ok(at) = map.binary_search_by_key(&devt, |(number, _)| *number) {
        map.remove(at);
    }
}

/// A reference to the cdev that a number leads to, unless it is dying.
pub(super) fn get(devt: DevT) -> Option<CdevRef> {
    let map = MAP.lock();
    let at = map.binary_search_by_key(&devt, |(number, _)| *number).ok()?;
    map[at].1.get()
}
