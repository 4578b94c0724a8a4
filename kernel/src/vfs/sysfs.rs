//! The filesystem of `/sys`, as much as is needed: modules' counts, and binding and unbinding of devices.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;

use heaps::{Errno, Result};
use spin::Once;

use super::dentry::Dentry;
use super::dynamic::{DynDir, DynEntry};
use super::inode::{Inode, S_IFDIR, S_IFREG};
use super::namespace::{self, By};
use super::{parameters, pseudo, sysfs_class};
use crate::modules;

const DEV: u32 = 6;

/// The root of the filesystem, made and filled at the first call.
pub fn root() -> Result<&'static Arc<Dentry>> {
    static ROOT: Once<Arc<Dentry>> = Once::new();
    ROOT.try_call_once(fill)
}

fn fill() -> Result<Arc<Dentry>> {
    let root = pseudo::root(DEV);
    pseudo::dir(&root, "kernel/debug")?;
    let driver = pseudo::dir(&root, "bus/platform/drivers/tee_heap")?;
    pseudo::add(&driver, "bind", 0o200, pseudo::write_only(modules::bind))?;
    pseudo::add(&driver, "unbind", 0o200, pseudo::write_only(modules::unbind))?;
    pseudo::add(&driver, "unplug", 0o200, pseudo::write_only(modules::unplug))?;
    let modules = pseudo::dynamic_inode(DEV, 0o755, Box::new(Modules));
    namespace::add(By::Kernel, &root, b"module", modules)?;
    namespace::add(By::Kernel, &root, b"class", sysfs_class::inode(DEV))?;
    Ok(root)
}

/// `/sys/module`.
struct Modules;

impl DynDir for Modules {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let names = modules::names();
        let Some(name) = names.into_iter().find(|n| n.as_bytes() == name) else {
            return parameters::lookup(DEV, name);
        };
        Ok(pseudo::dynamic_inode(DEV, 0o755, Box::new(Module(name))))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let at = from.max(2);
        let names = modules::names();
        let mut all = names.iter().map(|name| &**name).chain(parameters::names());
        let name = all.nth(usize::try_from(at - 2).ok()?)?;
        Some(DynEntry { cookie: at, name: name.as_bytes().to_vec(), kind: S_IFDIR })
    }
}

/// `/sys/module/NAME`.
struct Module(Box<str>);

impl DynDir for Module {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        if name != b"refcnt" {
            return Err(Errno::ENOENT);
        }
        let module = self.0.clone();
        let show = move || modules::refcount(&module).map(|n| format!("{n}\n")).ok_or(Errno::ENODEV);
        Ok(pseudo::text_inode(DEV, 0o444, pseudo::read_only(show)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        (from <= 2).then(|| DynEntry { cookie: 2, name: b"refcnt".to_vec(), kind: S_IFREG })
    }
}
