//! What files and directories that are made up on demand are made of: procfs, sysfs and debugfs.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::inode::Inode;

/// A directory whose entries are made up at each look-up.
pub trait DynDir: Send + Sync {
    /// A new inode for `name`, `ENOENT` if there is none.
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>>;

    /// The first entry at or after cookie `from`, in ascending order of cookies; `.` and `..` are not among them.
    fn next(&self, from: u64) -> Option<DynEntry>;
}

/// One name in a [`DynDir`].
pub struct DynEntry {
    /// Its place in the listing.
    pub cookie: u64,
    /// The name.
    pub name: Vec<u8>,
    /// Its type, of the `S_IF` values.
    pub kind: u32,
}

/// A file whose text is made up when it is opened and read, and whose writes are commands.
pub trait TextFile: Send + Sync {
    /// The whole text. May sleep.
    fn show(&self) -> Result<String>;

    /// Takes one write; the trailing newline is cut off. May sleep.
    fn store(&self, _text: &str) -> Result<()> {
        Err(Errno::EINVAL)
    }
}

/// A [`TextFile`] of two closures.
pub struct Closures<R, W> {
    /// Makes the text.
    pub show: R,
    /// Takes a write.
    pub store: W,
}

impl<R, W> TextFile for Closures<R, W>
where
    R: Fn() -> Result<String> + Send + Sync,
    W: Fn(&str) -> Result<()> + Send + Sync,
{
    fn show(&self) -> Result<String> {
        (self.show)()
    }

    fn store(&self, text: &str) -> Result<()> {
        (self.store)(text)
    }
}
