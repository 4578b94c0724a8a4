//! Inodes: what a name leads to, whether or not it still has a name.
//!
//! A character device's inode caches the cdev its first open found, by an uncounted pointer that the cdev
//! purges when it goes (Linux: `i_cdev`). Models `include/linux/fs.h`'s `struct inode`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::dynamic::{DynDir, TextFile};
use super::ramfs::data::Data;
use crate::chrdev::{CdevSlot, DevT};

/// The file type within a mode.
pub const S_IFMT: u32 = 0o170000;
/// A directory.
pub const S_IFDIR: u32 = 0o040000;
/// A character device.
pub const S_IFCHR: u32 = 0o020000;
/// A regular file.
pub const S_IFREG: u32 = 0o100000;
/// A pipe.
pub const S_IFIFO: u32 = 0o010000;
/// A symbolic link.
pub const S_IFLNK: u32 = 0o120000;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static NEXT_INO: AtomicU64 = AtomicU64::new(1);

/// How many inodes exist, for the leak oracle.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// What an inode holds.
pub enum Content {
    /// A directory whose entries are its dentry's children. Names may be made and removed in it where `writable`.
    Directory {
        /// Whether user space may create and remove names.
        writable: bool,
    },
    /// A directory whose entries are made up at each look-up.
    Dynamic(Box<dyn DynDir>),
    /// A file's bytes.
    Regular(Data),
    /// A file whose text is made up at each open.
    Text(Box<dyn TextFile>),
    /// A link that is followed by its text.
    Symlink(Vec<u8>),
    /// A link that leads straight to a file, whatever its text says (`/proc/self/fd/N`).
    Magic(Box<dyn MagicLink>),
    /// A character device.
    Char(CharNode),
    /// A file that no open by name can reach: a pipe's, a dma-buf's.
    Anonymous,
}

/// A character device's number, and the cdev that opening it found.
pub struct CharNode {
    /// The device number.
    pub rdev: DevT,
    /// The cached cdev (Linux: `i_cdev`).
    pub i_cdev: Arc<CdevSlot>,
}

/// Where a magic link leads.
pub trait MagicLink: Send + Sync {
    /// What `readlink` says.
    fn text(&self) -> Result<Vec<u8>>;
    /// What following it yields.
    fn target(&self) -> Result<Arc<Dentry>>;
}

/// An inode.
pub struct Inode {
    ino: u64,
    dev: u32,
    mode: AtomicU32,
    nlink: AtomicU32,
    mtime: AtomicU64,
    content: Content,
}

impl Inode {
    /// An inode of the filesystem `dev` with a mode (type and permissions) and one link.
    pub fn new(dev: u32, mode: u32, content: Content) -> Inode {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Inode {
            ino: NEXT_INO.fetch_add(1, Ordering::Relaxed),
            dev,
            mode: AtomicU32::new(mode),
            nlink: AtomicU32::new(if mode & S_IFMT == S_IFDIR { 2 } else { 1 }),
            mtime: AtomicU64::new(crate::arch::now_ns()),
            content,
        }
    }

    /// Its number, unique over all filesystems.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// The number of the filesystem it is in.
    pub fn dev(&self) -> u32 {
        self.dev
    }

    /// Type and permission bits.
    pub fn mode(&self) -> u32 {
        self.mode.load(Ordering::Relaxed)
    }

    /// Sets the permission bits; the type stays.
    pub fn set_permissions(&self, bits: u32) {
        self.mode.store(self.mode() & S_IFMT | bits & 0o7777, Ordering::Relaxed);
    }

    /// How many names it has.
    pub fn nlink(&self) -> u32 {
        self.nlink.load(Ordering::Relaxed)
    }

    /// Sets how many names it has; the namespace lock is held.
    pub(super) fn set_nlink(&self, links: u32) {
        self.nlink.store(links, Ordering::Relaxed);
    }

    /// When its contents last changed, in nanoseconds since boot.
    pub fn mtime(&self) -> u64 {
        self.mtime.load(Ordering::Relaxed)
    }

    /// Notes that its contents change now.
    pub fn touch(&self) {
        self.mtime.store(crate::arch::now_ns(), Ordering::Relaxed);
    }

    /// What it holds.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.content, Content::Directory { .. } | Content::Dynamic(_))
    }

    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.mode() & S_IFMT == S_IFREG
    }

    /// Whether it is a symbolic link of either kind.
    pub fn is_link(&self) -> bool {
        matches!(self.content, Content::Symlink(_) | Content::Magic(_))
    }

    /// The device node in it, if it is one.
    pub fn char_node(&self) -> Option<&CharNode> {
        match &self.content {
            Content::Char(node) => Some(node),
            _ => None,
        }
    }

    /// Its size in bytes. May sleep.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Regular(data) => data.size(),
            Content::Symlink(text) => text.len() as u64,
            _ => 0,
        }
    }

    /// Cuts or extends a regular file; anything else is `EISDIR` or `EINVAL`. May sleep.
    pub fn truncate(&self, size: u64) -> Result<()> {
        match &self.content {
            Content::Regular(data) => {
                self.touch();
                data.truncate(size)
            }
            Content::Directory { .. } | Content::Dynamic(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
