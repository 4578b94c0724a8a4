//! The filesystem of `/dev`: device registration makes and removes its nodes. Models `drivers/base/devtmpfs.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};
use spin::Once;

use super::dentry::Dentry;
use super::inode::{CharNode, Content, Inode, S_IFCHR};
use super::namespace::{self, By};
use super::ramfs;
use crate::chrdev::{CdevSlot, DevT};
use crate::sync::{SpinLock, order};

/// Its number as a filesystem.
const DEV: u32 = 5;

/// Room made at first for [`NODES`], so that its own memory hardly ever changes.
const ROOM: usize = 192;

/// The nodes made by the kernel.
static NODES: SpinLock<Vec<(DevT, Arc<Dentry>)>, { order::DENTRY }> = SpinLock::new(Vec::new());

/// The root of the filesystem, made at the first call.
pub fn root() -> &'static Arc<Dentry> {
    static ROOT: Once<Arc<Dentry>> = Once::new();
    ROOT.call_once(|| ramfs::new(DEV))
}

/// An inode for the device `devt`.
pub fn node_inode(dev: u32, permissions: u32, devt: DevT) -> Arc<Inode> {
    let node = CharNode { rdev: devt, i_cdev: CdevSlot::new() };
    Arc::new(Inode::new(dev, S_IFCHR | permissions & 0o7777, Content::Char(node)))
}

/// Makes the node `/dev/PATH` for a number, and the directory it is in; returns the node. `EEXIST` when the name is taken, `EINVAL`
/// for a path that is none, `ENOMEM`. May sleep.
pub fn device_create(path: &str, devt: DevT, permissions: u32) -> Result<Arc<Dentry>> {
    let (dir, name) = match path.split_once('/') {
        Some((dir, name)) => (namespace::ensure_dir(root(), dir.as_bytes(), 0o755)?, name),
        None => (root().clone(), path),
    };
    if name.is_empty() || name.contains('/') {
        return Err(Errno::EINVAL);
    }
    let inode = node_inode(DEV, permissions, devt);
    let node = namespace::add(By::Kernel, &dir, name.as_bytes(), inode)?;
    let mut nodes = NODES.lock();
    let more = if nodes.capacity() == 0 { ROOM } else { 1 };
    let room = nodes.try_reserve(more).map_err(|_| Errno::ENOMEM);
    if room.is_ok() {
        nodes.push((devt, node.clone()));
        return Ok(node);
    }
    drop(nodes);
    namespace::unlink(By::Kernel, &dir, name.as_bytes())?;
    room.map(|()| node)
}

/// Removes the node made for a number, if user space has not done it, and its directory if that is empty now. Open
/// files stay. May sleep.
pub fn device_destroy(devt: DevT) {
    let Some(node) = take(devt) else { return };
    let Some(dir) = node.parent() else { return };
    // Only the node that was made: its name may have been given to something else.
    if dir.child(&node.name()).is_some_and(|there| Arc::ptr_eq(&there, &node)) {
        let _ = namespace::unlink(By::Kernel, &dir, &node.name());
    }
    if let Some(above) = dir.parent()
        && !dir.is_mount()
    {
        // Not empty, or gone already: both are fine.
        let _ = namespace::rmdir(By::Kernel, &above, &dir.name());
    }
}

fn take(devt: DevT) -> Option<Arc<Dentry>> {
    let mut nodes = NODES.lock();
    let at = nodes.iter().position(|(number, _)| *number == devt)?;
    Some(nodes.swap_remove(at).1)
}
