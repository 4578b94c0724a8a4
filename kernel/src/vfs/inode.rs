//! Inodes: what a name leads to, whether or not it still has a name.
//!
//! A character device's inode caches the cdev its first open found, by an uncounted pointer that the cdev
//! purges when it goes (Linux: `i_cdev`). Models `include/linux/fs.h`'s `struct inode`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::attributes::Attributes;
use super::dentry::Dentry;
use super::dynamic::{DynDir, TextFile};
use super::fifo::Fifo;
use super::file::FileOps;
use super::quota::Quota;
use super::ramfs::data::Data;
use super::write_access;
use crate::chrdev::{CdevSlot, DevT};
use crate::net::{self, Socket};

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
/// A block device.
pub const S_IFBLK: u32 = 0o060000;
/// A socket.
pub const S_IFSOCK: u32 = 0o140000;
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
    /// A directory whose entries are its dentry's children.
    Directory {
        /// What counts the files that are made in it; `None` where user space may not create and remove names.
        quota: Option<Arc<Quota>>,
    },
    /// A directory whose entries are made up at each look-up.
    Dynamic(Box<dyn DynDir>),
    /// A file's bytes.
    Regular(Box<Data>),
    /// A file whose text is made up at each open.
    Text(Box<dyn TextFile>),
    /// A file with operations of its own, made at each open.
    Special(fn() -> Result<Box<dyn FileOps>>),
    /// A link that is followed by its text.
    Symlink(Vec<u8>),
    /// A link that leads straight to a file, whatever its text says (`/proc/self/fd/N`).
    Magic(Box<dyn MagicLink>),
    /// A character device.
    Char(CharNode),
    /// A pipe with a name.
    Fifo(Fifo),
    /// A block device, which nothing here drives: opening it is `ENXIO`.
    Block(DevT),
    /// The name of a socket, for those who connect to it.
    SocketName(net::unix::Slot),
    /// An open socket.
    Socket(Arc<Socket>),
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
    attributes: Attributes,
    /// Whether [`locks`](super::locks) may know it.
    locked: AtomicBool,
    writers: write_access::Count,
    content: Content,
}

impl Inode {
    /// An inode of the filesystem `dev` with a mode (type and permissions) and one link.
    pub fn new(dev: u32, mode: u32, content: Content) -> Inode {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Inode {
            ino: NEXT_INO.fetch_add(1, Ordering::Relaxed),
            dev,
            attributes: Attributes::new(mode),
            locked: AtomicBool::new(false),
            writers: write_access::Count::default(),
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

    /// Whether there may be locks on it.
    pub(super) fn may_have_locks(&self) -> bool {
        self.locked.load(Ordering::Acquire)
    }

    /// Says whether there are.
    pub(super) fn set_may_have_locks(&self, locked: bool) {
        self.locked.store(locked, Ordering::Release);
    }

    /// Who may write to it.
    pub(super) fn write_count(&self) -> &write_access::Count {
        &self.writers
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

    /// The number of the device it stands for.
    pub fn rdev(&self) -> Option<DevT> {
        match &self.content {
            Content::Char(node) => Some(node.rdev),
            Content::Block(rdev) => Some(*rdev),
            _ => None,
        }
    }

    /// Whether it is a symbolic link of either kind.
    pub fn is_link(&self) -> bool {
        matches!(self.content, Content::Symlink(_) | Content::Magic(_))
    }

    /// A regular file's bytes.
    pub fn data(&self) -> Option<&Data> {
        match &self.content {
            Content::Regular(data) => Some(data),
            _ => None,
        }
    }

    /// What counts its pages, or those of the files that are made in it.
    pub fn quota(&self) -> Option<&Arc<Quota>> {
        match &self.content {
            Content::Directory { quota } => quota.as_ref(),
            Content::Regular(data) => data.quota(),
            _ => None,
        }
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

    /// What its bytes take, in blocks of 512. May sleep.
    pub fn blocks(&self) -> u64 {
        self.data().map_or(0, Data::blocks)
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

impl Deref for Inode {
    type Target = Attributes;

    fn deref(&self) -> &Attributes {
        &self.attributes
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
