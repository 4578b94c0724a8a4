//! What is mounted where, and the tree that process 1 starts in.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::Result;

use super::dentry::Dentry;
use super::initramfs::{self, Malformed};
use super::{debugfs, devtmpfs, namespace, path, procfs, ramfs, sysfs};
use crate::sync::{SpinLock, order};

const ROOT_DEV: u32 = 1;

static MOUNTS: SpinLock<Vec<(String, &'static str)>, { order::DENTRY }> = SpinLock::new(Vec::new());

/// The text of `/proc/mounts`.
pub fn proc_mounts() -> String {
    MOUNTS.lock().iter().map(|(at, kind)| format!("{kind} {at} {kind} rw 0 0\n")).collect()
}

fn note(at: &str, kind: &'static str) {
    MOUNTS.lock().push((at.into(), kind));
}

/// Mounts `fs` on the directory `at`, made where it is not there. `ENOTDIR`, `EBUSY`. May sleep.
pub fn mount(root: &Arc<Dentry>, at: &str, kind: &'static str, fs: &Arc<Dentry>) -> Result<()> {
    let mut dir = root.clone();
    for name in at.split('/').filter(|name| !name.is_empty()) {
        dir = match path::lookup(&dir, name.as_bytes()) {
            Ok(there) => there,
            Err(_) => namespace::ensure_dir(&dir, name.as_bytes(), 0o755)?,
        };
    }
    namespace::mount(&dir, fs)?;
    note(at, kind);
    Ok(())
}

/// The root of everything: `image` unpacked, and the kernel's own filesystems mounted. Called once, at boot; devices
/// may be registered before and after. May sleep.
pub fn boot(image: &'static [u8]) -> Result<Arc<Dentry>, Malformed> {
    super::anon::init();
    let root = ramfs::new(ROOT_DEV);
    note("/", "rootfs");
    initramfs::unpack(&root, image)?;
    mount_all(&root).map_err(|why| Malformed { at: image.len(), why })?;
    Ok(root)
}

fn mount_all(root: &Arc<Dentry>) -> Result<()> {
    mount(root, "/dev", "devtmpfs", devtmpfs::root())?;
    mount(root, "/proc", "proc", procfs::root())?;
    mount(root, "/sys", "sysfs", sysfs::root()?)?;
    mount(root, "/sys/kernel/debug", "debugfs", debugfs::root())?;
    for name in ["tmp", "run"] {
        namespace::ensure_dir(root, name.as_bytes(), 0o1777)?;
    }
    Ok(())
}
