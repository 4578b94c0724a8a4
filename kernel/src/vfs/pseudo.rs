//! Building trees of files that are made up on demand, out of closures.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::dynamic::{Closures, DynDir, TextFile};
use super::file::FileOps;
use super::inode::{Content, Inode, S_IFDIR, S_IFREG};
use super::namespace::{self, By, dir_inode};

/// The root of a filesystem numbered `dev` that user space cannot make names in.
pub fn root(dev: u32) -> Arc<Dentry> {
    Dentry::root(dir_inode(dev, 0o755, None))
}

/// The directory at `path` below `at`, made where it is not there. May sleep.
pub fn dir(at: &Arc<Dentry>, path: &str) -> Result<Arc<Dentry>> {
    path.split('/').try_fold(at.clone(), |at, name| namespace::ensure_dir(&at, name.as_bytes(), 0o755))
}

/// An inode for a text file.
pub fn text_inode(dev: u32, permissions: u32, file: Box<dyn TextFile>) -> Arc<Inode> {
    Arc::new(Inode::new(dev, S_IFREG | permissions, Content::Text(file)))
}

/// An inode for a directory that makes its entries up.
pub fn dynamic_inode(dev: u32, permissions: u32, entries: Box<dyn DynDir>) -> Arc<Inode> {
    Arc::new(Inode::new(dev, S_IFDIR | permissions, Content::Dynamic(entries)))
}

/// Adds a text file. `EEXIST`. May sleep.
pub fn add(dir: &Arc<Dentry>, name: &str, permissions: u32, file: Box<dyn TextFile>) -> Result<()> {
    let inode = text_inode(dir.inode().dev(), permissions, file);
    namespace::add(By::Kernel, dir, name.as_bytes(), inode).map(drop)
}

/// Adds a file with operations of its own, made at each open. `EEXIST`. May sleep.
pub fn add_special(
    dir: &Arc<Dentry>,
    name: &str,
    permissions: u32,
    open: fn() -> Result<Box<dyn FileOps>>,
) -> Result<()> {
    let inode = Inode::new(dir.inode().dev(), S_IFREG | permissions, Content::Special(open));
    namespace::add(By::Kernel, dir, name.as_bytes(), Arc::new(inode)).map(drop)
}

/// A file that is only read. `show` may sleep.
pub fn read_only(show: impl Fn() -> Result<String> + Send + Sync + 'static) -> Box<dyn TextFile> {
    Box::new(Closures { show, store: |_: &str| Err(Errno::EINVAL) })
}

/// A file that is only written. `store` gets what one write wrote, and may sleep.
pub fn write_only(store: impl Fn(&str) -> Result<()> + Send + Sync + 'static) -> Box<dyn TextFile> {
    Box::new(Closures { show: || Err(Errno::EIO), store })
}

/// A file for both.
pub fn read_write(
    show: impl Fn() -> Result<String> + Send + Sync + 'static,
    store: impl Fn(&str) -> Result<()> + Send + Sync + 'static,
) -> Box<dyn TextFile> {
    Box::new(Closures { show, store })
}
