//! The map from device numbers to cdevs (Linux: `cdev_map`).
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;

use heaps::{Errno, Result};

use super::{CdevPtr, CdevRef, DevT};
use crate::sync::{SpinLock, order};

static MAP: SpinLock<BTreeMap<DevT, CdevPtr>, { order::CDEV_MAP }> = SpinLock::new(BTreeMap::new());

/// Lets a number lead to `cdev`, uncounted, until [`unmap`]. `EBUSY` when the number is taken.
pub fn map(devt: DevT, cdev: CdevPtr) -> Result<()> {
    let mut map = MAP.lock();
    if map.contains_key(&devt) {
        return Err(Errno::EBUSY);
    }
    map.insert(devt, cdev);
    Ok(())
}

/// Lets a number lead nowhere; afterwards no look-up hands its cdev out.
pub fn unmap(devt: DevT) {
    MAP.lock().remove(&devt);
}

/// A reference to the cdev that a number leads to, unless it is dying.
pub(super) fn get(devt: DevT) -> Option<CdevRef> {
    let map = MAP.lock();
    map.get(&devt).and_then(|cdev| cdev.get())
}
