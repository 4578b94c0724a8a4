//! Inodes that cache their cdev, and the order of Linux's last close.

use std::sync::{Arc, Mutex, Weak};

use super::{Machine, TestModule, TestPlatform};
use crate::cdev::{CdevCache, CdevPtr, CdevRef, DevT};
use crate::platform::ModuleRef;
use crate::{Errno, HeapFile, Result};

/// A device node.
pub(crate) struct Inode {
    devt: DevT,
    cdev: Mutex<Option<CdevPtr<TestPlatform>>>,
}

impl CdevCache for Inode {
    fn forget(&self) {
        *self.cdev.lock().unwrap() = None;
    }
}

/// An open file. The fields drop in Linux's order: the file's release, the cdev, the operations' module.
pub(crate) struct OpenFile {
    pub heap: HeapFile<TestPlatform>,
    pub cdev: CdevRef<TestPlatform>,
    _fops: Option<ModuleRef<TestModule>>,
}

impl Inode {
    pub(crate) fn new(devt: DevT) -> Arc<Inode> {
        Arc::new(Inode { devt, cdev: Mutex::new(None) })
    }

    pub(crate) fn devt(&self) -> DevT {
        self.devt
    }

    pub(crate) fn caches_cdev(&self) -> bool {
        self.cdev.lock().unwrap().is_some()
    }

    /// Opens the node: by the cached cdev, or else by the map.
    pub(crate) fn open(self: &Arc<Inode>) -> Result<OpenFile> {
        let cdev = self.cdev()?;
        let (heap, fops) = cdev.open(0)?;
        Ok(OpenFile { heap, cdev, _fops: fops })
    }

    fn cdev(self: &Arc<Inode>) -> Result<CdevRef<TestPlatform>> {
        let mut cached = self.cdev.lock().unwrap();
        if let Some(cdev) = *cached {
            return cdev.get().ok_or(Errno::ENXIO);
        }
        let found = {
            let machine = Machine::here();
            let map = machine.map.lock().unwrap();
            map.get(&self.devt).copied().and_then(CdevPtr::get).ok_or(Errno::ENXIO)?
        };
        found.remember(self.weak())?;
        *cached = Some(found.ptr());
        Ok(found)
    }

    /// Makes the inode remember `cdev`.
    pub(crate) fn cache(self: &Arc<Inode>, cdev: &CdevRef<TestPlatform>) -> Result<()> {
        cdev.remember(self.weak())?;
        *self.cdev.lock().unwrap() = Some(cdev.ptr());
        Ok(())
    }

    fn weak(self: &Arc<Inode>) -> Weak<dyn CdevCache> {
        let weak: Weak<Inode> = Arc::downgrade(self);
        weak
    }
}

impl Machine {
    /// Opens a heap's node by name.
    pub(crate) fn open(&self, name: &str) -> Result<OpenFile> {
        self.node(name).ok_or(Errno::ENOENT)?.open()
    }
}
