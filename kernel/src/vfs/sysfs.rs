//! The filesystem of `/sys`, as much as is needed: what is known of modules, and binding and unbinding of devices.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};
use spin::Once;

use super::dentry::Dentry;
use super::dynamic::{DynDir, DynEntry};
use super::inode::{Inode, S_IFDIR, S_IFREG};
use super::namespace::{self, By};
use super::{parameters, pseudo, sysfs_class};
use crate::modules::{self, loaded::Loaded};

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
    namespace::add(By::Kernel, &pseudo::dir(&root, "class")?, b"dma_heap", sysfs_class::heaps(DEV))?;
    Ok(root)
}

/// `/sys/module`.
struct Modules;

impl DynDir for Modules {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let found = core::str::from_utf8(name).ok().and_then(modules::find);
        let Some(module) = found else { return parameters::lookup(DEV, name) };
        Ok(pseudo::dynamic_inode(DEV, 0o755, Box::new(ModuleDir(module.module.name().into()))))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let all = modules::all().ok()?;
        let names = all.iter().map(|module| module.module.name()).chain(parameters::names());
        entry(from, names.map(|name| (name, S_IFDIR)))
    }
}

/// The first entry at or after cookie `from` of those that a directory has; cookies 0 and 1 are `.` and `..`.
fn entry<'a>(from: u64, mut entries: impl Iterator<Item = (&'a str, u32)>) -> Option<DynEntry> {
    let cookie = from.max(2);
    let (name, kind) = entries.nth(usize::try_from(cookie - 2).ok()?)?;
    Some(DynEntry { cookie, name: name.as_bytes().to_vec(), kind })
}

/// What a file of a module shows.
type Show = fn(&Loaded) -> String;

const MODULE_FILES: [(&str, Show); 3] = [
    ("coresize", |module| format!("{}\n", module.size())),
    ("initstate", |module| format!("{:?}\n", module.module.state()).to_ascii_lowercase()),
    ("refcnt", |module| format!("{}\n", module.module.refcount())),
];

/// `/sys/module/NAME`, by name: looking at a module does not keep it.
struct ModuleDir(Box<str>);

impl DynDir for ModuleDir {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        if name == b"parameters" {
            return Ok(pseudo::dynamic_inode(DEV, 0o755, Box::new(Parameters(self.0.clone()))));
        }
        let (_, show) =
            MODULE_FILES.into_iter().find(|(file, _)| file.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let module = self.0.clone();
        let show = move || modules::find(&module).map(|module| show(&module)).ok_or(Errno::ENODEV);
        Ok(pseudo::text_inode(DEV, 0o444, pseudo::read_only(show)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let files = MODULE_FILES.iter().map(|(name, _)| (*name, S_IFREG));
        entry(from, files.chain([("parameters", S_IFDIR)]))
    }
}

/// `/sys/module/NAME/parameters`.
struct Parameters(Box<str>);

impl DynDir for Parameters {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let module = modules::find(&self.0).ok_or(Errno::ENOENT)?;
        let at = module.params.iter().position(|param| param.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let module = self.0.clone();
        let show = move || modules::find(&module).map(|module| module.shown(at)).ok_or(Errno::ENODEV);
        Ok(pseudo::text_inode(DEV, 0o444, pseudo::read_only(show)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let module = modules::find(&self.0)?;
        entry(from, module.params.iter().map(|param| (&*param.name, S_IFREG)))
    }
}
