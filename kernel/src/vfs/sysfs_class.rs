//! `/sys/class/dma_heap`: the heaps' devices, as device registration knows them. Models `drivers/base/class.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{DevT, Errno, Result};

use super::dentry::Dentry;
use super::devtmpfs;
use super::dynamic::{DynDir, DynEntry};
use super::inode::{Inode, S_IFDIR, S_IFREG};
use super::pseudo;

/// The class, and the directory of its nodes below `/dev`.
const CLASS: &str = "dma_heap";

/// The directory `/sys/class/dma_heap` of the filesystem `dev`.
pub fn heaps(dev: u32) -> Arc<Inode> {
    pseudo::dynamic_inode(dev, 0o755, Box::new(Heaps(dev)))
}

/// `/sys/class/dma_heap`: a directory for each node that is there.
struct Heaps(u32);

fn nodes() -> Option<Arc<Dentry>> {
    devtmpfs::root().child(CLASS.as_bytes())
}

impl DynDir for Heaps {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let node = nodes().and_then(|nodes| nodes.child(name)).ok_or(Errno::ENOENT)?;
        let number = node.inode().rdev().ok_or(Errno::ENOENT)?;
        let device = Device { dev: self.0, name: String::from_utf8_lossy(name).into_owned(), number };
        Ok(pseudo::dynamic_inode(self.0, 0o755, Box::new(device)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let (cookie, node) = nodes()?.child_from(from.max(2) - 2)?;
        Some(DynEntry { cookie: cookie + 2, name: node.name().into_vec(), kind: S_IFDIR })
    }
}

/// `/sys/class/dma_heap/NAME`.
struct Device {
    dev: u32,
    name: String,
    number: DevT,
}

const FILES: [&str; 2] = ["dev", "uevent"];

impl DynDir for Device {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let (major, minor) = (self.number.major(), self.number.minor());
        let (text, mode) = match name {
            b"dev" => (format!("{major}:{minor}\n"), 0o444),
            b"uevent" => (format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={CLASS}/{}\n", self.name), 0o644),
            _ => return Err(Errno::ENOENT),
        };
        Ok(pseudo::text_inode(self.dev, mode, pseudo::read_only(move || Ok(text.clone()))))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let cookie = from.max(2);
        let name = FILES.get(usize::try_from(cookie).ok()? - 2)?;
        Some(DynEntry { cookie, name: name.as_bytes().to_vec(), kind: S_IFREG })
    }
}
