//! Character devices: the map from numbers to cdevs, and how an inode's open gets from one to the other.
//!
//! Nothing here knows what kind of device it is. A pointer in the map or in an inode counts for nothing; it is
//! turned into a reference under the lock it was found under. Models `fs/char_dev.c`.
#![forbid(unsafe_code)]

mod map;
mod names;
#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};

use heaps::{Errno, Result};

use crate::debug::steps;
use crate::drivers::dma_heap::Kernel;
use crate::sync::{SpinLock, order};
use crate::vfs::file::Opened;
use crate::vfs::{devtmpfs, inode::Inode};

pub use heaps::DevT;
pub use map::{map, unmap};
pub use names::{majors, misc_devices, name_major};

/// A character device.
pub type Cdev = heaps::Cdev<Kernel>;
/// An uncounted pointer to one.
pub type CdevPtr = heaps::CdevPtr<Kernel>;
/// A counted reference to one.
pub type CdevRef = heaps::CdevRef<Kernel>;

/// The place where an inode caches the cdev that its first open found (Linux: `i_cdev`). The cdev purges it when
/// its last reference goes.
pub struct CdevSlot(SpinLock<Option<CdevPtr>, { order::CDEV_MAP }>);

impl CdevSlot {
    /// Nothing cached.
    pub fn new() -> Arc<CdevSlot> {
        Arc::new(CdevSlot(SpinLock::new(None)))
    }

    /// What is cached.
    pub fn cached(&self) -> Option<CdevPtr> {
        *self.0.lock()
    }

    /// A reference to the cached cdev, if there is one; `ENXIO` when it is dying.
    fn get_cached(&self) -> Option<Result<CdevRef>> {
        let slot = self.0.lock();
        slot.map(|cdev| cdev.get().ok_or(Errno::ENXIO))
    }

    /// Caches `found`, unless somebody else's find is cached by now: then that counts.
    fn keep(self: &Arc<Self>, found: CdevRef) -> Result<CdevRef> {
        if let Some(other) = self.get_cached() {
            return other;
        }
        let mut slot = self.0.lock();
        if slot.is_none() {
            let cache: Weak<Self> = Arc::downgrade(self);
            found.remember(cache)?;
            *slot = Some(found.ptr());
            return Ok(found);
        }
        drop(slot);
        self.keep(found)
    }
}

impl heaps::cdev::CdevCache for CdevSlot {
    fn forget(&self) {
        *self.0.lock() = None;
    }
}

/// The cdev behind a device inode: the cached one, whatever the number means by now, else the one the number
/// means. `ENXIO`.
fn find(inode: &Inode) -> Result<CdevRef> {
    let node = inode.char_node().ok_or(Errno::ENXIO)?;
    if let Some(cached) = node.i_cdev.get_cached() {
        return cached;
    }
    let found = map::get(node.rdev).ok_or(Errno::ENXIO)?;
    node.i_cdev.keep(found)
}

/// Opens a device inode (Linux: `chrdev_open`). `ENXIO` when there is no such device, and what the device says.
/// May sleep.
pub fn open(inode: &Inode, flags: u32) -> Result<Opened> {
    steps::arrive("node");
    let cdev = find(inode)?;
    let (ops, owner) = cdev.open(flags)?;
    Ok(Opened { ops, cdev: Some(cdev), owner })
}

/// Publishes a device that is never removed, with its node `/dev/PATH`. `EBUSY`, `EEXIST`, `ENOMEM`. May sleep.
pub fn register(
    path: &'static str,
    devt: DevT,
    permissions: u32,
    ops: &'static dyn heaps::CdevOps<Kernel>,
) -> Result<()> {
    map(devt, Cdev::immortal(devt, ops)?)?;
    let node = devtmpfs::device_create(path, devt, permissions)?;
    names::name_misc(devt, path)?;
    // Cached now, so that no later open changes what memory the device takes.
    find(node.inode()).map(drop)
}
