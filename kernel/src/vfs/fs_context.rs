//! What a process' paths are relative to, and its umask. Models `struct fs_struct`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::uses::Use;
use crate::sync::{SpinLock, order};

/// Root directory, current directory and umask. Threads share one; fork copies it.
pub struct FsContext {
    root: SpinLock<Used, { order::DENTRY }>,
    cwd: SpinLock<Used, { order::DENTRY }>,
    umask: AtomicU32,
}

impl FsContext {
    /// At the root, with the umask 022.
    pub fn new(root: Arc<Dentry>) -> Arc<FsContext> {
        FsContext::with(root.clone(), root, 0o022)
    }

    fn with(root: Arc<Dentry>, cwd: Arc<Dentry>, umask: u32) -> Arc<FsContext> {
        let [root, cwd] = [root, cwd].map(|dir| SpinLock::new(used(dir)));
        Arc::new(FsContext { root, cwd, umask: AtomicU32::new(umask) })
    }

    /// A copy, for fork.
    pub fn fork(&self) -> Arc<FsContext> {
        FsContext::with(self.root(), self.cwd(), self.umask())
    }

    /// The root directory.
    pub fn root(&self) -> Arc<Dentry> {
        self.root.lock().0.clone()
    }

    /// Changes the root directory. `ENOTDIR`.
    pub fn set_root(&self, to: Arc<Dentry>) -> Result<()> {
        if !to.inode().is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let to = used(to);
        let before = core::mem::replace(&mut *self.root.lock(), to);
        drop(before);
        Ok(())
    }

    /// The current directory.
    pub fn cwd(&self) -> Arc<Dentry> {
        self.cwd.lock().0.clone()
    }

    /// Changes the current directory. `ENOTDIR`.
    pub fn set_cwd(&self, to: Arc<Dentry>) -> Result<()> {
        if !to.inode().is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let to = used(to);
        let before = core::mem::replace(&mut *self.cwd.lock(), to);
        drop(before);
        Ok(())
    }

    /// Its processes have ended: its filesystems are not in use for it any more, whoever still looks at it. May take a
    /// filesystem down.
    pub fn release(&self) {
        for place in [&self.root, &self.cwd] {
            let one = place.lock().1.take();
            drop(one);
        }
    }

    /// The permission bits that new files do not get.
    pub fn umask(&self) -> u32 {
        self.umask.load(Ordering::Relaxed)
    }

    /// Sets the umask and returns the one before.
    pub fn set_umask(&self, mask: u32) -> u32 {
        self.umask.swap(mask & 0o777, Ordering::Relaxed)
    }
}

/// A directory, and that its filesystem is in use for it.
type Used = (Arc<Dentry>, Option<Use>);

fn used(dir: Arc<Dentry>) -> Used {
    let one = Use::of(dir.inode().dev());
    (dir, Some(one))
}
