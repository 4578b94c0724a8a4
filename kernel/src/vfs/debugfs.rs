//! The filesystem of `/sys/kernel/debug`: whoever has something to show adds a file. Models `fs/debugfs`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;

use heaps::Result;
use spin::Once;

use super::dentry::Dentry;
use super::dynamic::TextFile;
use super::file::FileOps;
use super::pseudo;

const DEV: u32 = 7;

/// The root of the filesystem, made at the first call.
pub fn root() -> &'static Arc<Dentry> {
    static ROOT: Once<Arc<Dentry>> = Once::new();
    ROOT.call_once(|| pseudo::root(DEV))
}

/// Adds the file `DIR/NAME`; see [`pseudo`] for what to make it of. `EEXIST`. May sleep.
pub fn create_file(dir: &str, name: &str, permissions: u32, file: Box<dyn TextFile>) -> Result<()> {
    pseudo::add(&pseudo::dir(root(), dir)?, name, permissions, file)
}

/// Adds the file `NAME` to the root. `EEXIST`. May sleep.
pub fn create_in_root(name: &str, permissions: u32, file: Box<dyn TextFile>) -> Result<()> {
    pseudo::add(root(), name, permissions, file)
}

/// Adds the file `DIR/NAME` with operations of its own, made at each open. `EEXIST`. May sleep.
pub fn create_special(
    dir: &str,
    name: &str,
    permissions: u32,
    open: fn() -> Result<Box<dyn FileOps>>,
) -> Result<()> {
    pseudo::add_special(&pseudo::dir(root(), dir)?, name, permissions, open)
}
