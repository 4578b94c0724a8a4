//! Open files, and what the last close of one does, in order.
//!
//! * `ops`: what a kind of file does
//! * `position`: which files have one, and where `lseek` leads; `transfer`: reading and writing there
//! * `events`: readiness
//! * `watched`: who is told of the last close, and last closes put off
//! * `count`: how many open files there are
//!
//! The last reference to a [`File`] ends in [`Drop`], with no lock held: whoever takes files out of a table
//! hands them out of the lock first. Models `fs/file_table.c`.
#![forbid(unsafe_code)]

mod count;
mod events;
mod ops;
mod position;
mod transfer;
mod watched;

pub use count::{limit, live, set_limit};
pub use events::*;
pub use ops::{FileOps, Ioctl};
pub use position::{Position, Whence, seek_within, verify_area};
pub use watched::close_put_off;
pub(super) use watched::put;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::flags::*;
use super::inode::Inode;
use super::locks::{self, Owner};
use super::uses::Use;
use super::write_access::WriteAccess;
use crate::chrdev::CdevRef;
use crate::mm::admit::admit;
use crate::mm::fallible;
use crate::modules::ModuleRef;
use crate::sync::{Mutex, SpinLock, order};
use count::Counted;
use watched::Watched;

/// The flags `fcntl(F_SETFL)` may change.
pub const SETFL_MASK: u32 = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

static NEXT_ID: AtomicUsize = AtomicUsize::new(0);

/// What a file gives back at its last close, in this order, which is Linux's: its own release, the reference to
/// its inode's cdev, the module its operations are in.
pub struct Opened {
    /// The operations; dropping them is the release.
    pub ops: Box<dyn FileOps>,
    /// The reference that opening a device took.
    pub cdev: Option<CdevRef>,
    /// Keeps the operations' module loaded.
    pub owner: Option<ModuleRef>,
}

/// Where an open file is.
enum Place {
    Named(Arc<Dentry>),
    Anonymous(Arc<Inode>),
}

impl Place {
    fn inode(&self) -> &Arc<Inode> {
        match self {
            Place::Named(dentry) => dentry.inode(),
            Place::Anonymous(inode) => inode,
        }
    }
}

/// An open file.
pub struct File {
    // First, so that the last close starts with it.
    opened: Opened,
    place: Place,
    flags: AtomicU32,
    pos: AtomicU64,
    pos_lock: Mutex<(), { order::FILE_POS }>,
    id: usize,
    /// Who is told when it becomes ready, if anybody ever is: a process, or a group below zero.
    signal_owner: AtomicI32,
    /// By which signal; 0 for the usual one.
    signal: AtomicU32,
    _use: Use,
    _write: Option<WriteAccess>,
    watched: SpinLock<Watched, { order::FILE_LINKS }>,
    _count: Counted,
}

impl File {
    /// A file at a name. `ENFILE`, `ENOMEM`.
    pub fn new(at: Arc<Dentry>, flags: u32, ops: Box<dyn FileOps>) -> Result<Arc<File>> {
        File::build(Place::Named(at), flags, Opened { ops, cdev: None, owner: None })
    }

    /// A regular file at a name, by one who may write to it where there is `access`. `ENFILE`, `ENOMEM`.
    pub fn regular(
        at: Arc<Dentry>,
        flags: u32,
        ops: Box<dyn FileOps>,
        access: Option<WriteAccess>,
    ) -> Result<Arc<File>> {
        let mut file = File::new(at, flags, ops)?;
        if let Some(new) = Arc::get_mut(&mut file) {
            new._write = access;
        }
        Ok(file)
    }

    /// A file without a name. `ENFILE`, `ENOMEM`.
    pub fn anonymous(inode: Arc<Inode>, flags: u32, ops: Box<dyn FileOps>) -> Result<Arc<File>> {
        File::build(Place::Anonymous(inode), flags, Opened { ops, cdev: None, owner: None })
    }

    /// An open device. `ENFILE`, `ENOMEM`.
    pub fn device(at: Arc<Dentry>, flags: u32, opened: Opened) -> Result<Arc<File>> {
        File::build(Place::Named(at), flags, opened)
    }

    fn build(place: Place, flags: u32, opened: Opened) -> Result<Arc<File>> {
        admit()?;
        let count = Counted::new()?;
        let one = Use::of(place.inode().dev());
        Ok(Arc::new(File {
            opened,
            place,
            flags: AtomicU32::new(flags),
            pos: AtomicU64::new(0),
            pos_lock: Mutex::new(()),
            signal_owner: AtomicI32::new(0),
            signal: AtomicU32::new(0),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            _use: one,
            _write: None,
            watched: SpinLock::default(),
            _count: count,
        }))
    }

    /// The inode it is open on.
    pub fn inode(&self) -> &Arc<Inode> {
        self.place.inode()
    }

    /// What tells it from all other open files.
    pub fn id(&self) -> usize {
        self.id
    }

    /// What `F_GETOWN` says.
    pub fn signal_owner(&self) -> i32 {
        self.signal_owner.load(Ordering::Relaxed)
    }

    /// Keeps what `F_SETOWN` says. Nobody is signalled: no file here takes `O_ASYNC`.
    pub fn set_signal_owner(&self, owner: i32) {
        self.signal_owner.store(owner, Ordering::Relaxed);
    }

    /// What `F_GETSIG` says.
    pub fn signal(&self) -> u32 {
        self.signal.load(Ordering::Relaxed)
    }

    /// Keeps what `F_SETSIG` says, as [`set_signal_owner`](Self::set_signal_owner) does.
    pub fn set_signal(&self, signal: u32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// The name it was opened by, if it has one.
    pub fn dentry(&self) -> Option<&Arc<Dentry>> {
        match &self.place {
            Place::Named(dentry) => Some(dentry),
            Place::Anonymous(_) => None,
        }
    }

    /// The operations.
    pub fn ops(&self) -> &dyn FileOps {
        &*self.opened.ops
    }

    /// The flags it was opened with, less those that only matter at open.
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Changes the flags of [`SETFL_MASK`].
    pub fn set_flags(&self, flags: u32) {
        let kept = self.flags() & !SETFL_MASK;
        self.flags.store(kept | flags & SETFL_MASK, Ordering::Relaxed);
    }

    /// Whether it only names a file (`O_PATH`).
    pub fn is_path(&self) -> bool {
        self.flags() & O_PATH != 0
    }

    /// Whether it may be read.
    pub fn readable(&self) -> bool {
        matches!(self.flags() & O_ACCMODE, O_RDONLY | O_RDWR) && !self.is_path()
    }

    /// Whether it may be written.
    pub fn writable(&self) -> bool {
        matches!(self.flags() & O_ACCMODE, O_WRONLY | O_RDWR) && !self.is_path()
    }

    /// The position, in bytes; a directory's cookie.
    pub fn pos(&self) -> u64 {
        self.pos.load(Ordering::Relaxed)
    }

    /// Sets the position.
    pub fn set_pos(&self, pos: u64) {
        self.pos.store(pos, Ordering::Relaxed);
    }

    /// What would not block now. Does not sleep.
    pub fn poll(&self) -> Events {
        self.ops().poll(self)
    }

    /// What `/proc/PID/fd/N` says. `ENOMEM`.
    pub fn link_text(&self) -> Result<Vec<u8>> {
        if let Some(text) = self.ops().link_text() {
            return Ok(text.into_bytes());
        }
        let Some(dentry) = self.dentry() else {
            return Ok(b"anon_inode:[file]".to_vec());
        };
        let mut path = dentry.path()?;
        if self.inode().nlink() == 0 {
            fallible::append(&mut path, b" (deleted)")?;
        }
        Ok(path)
    }

    /// `EBADF` unless open for reading.
    pub fn may_read(&self) -> Result<()> {
        self.readable().then_some(()).ok_or(Errno::EBADF)
    }

    /// `EBADF` unless open for writing.
    pub fn may_write(&self) -> Result<()> {
        self.writable().then_some(()).ok_or(Errno::EBADF)
    }
}

impl Drop for File {
    /// The last close, before anything is given back: nobody watches the file from here on, and its locks go.
    fn drop(&mut self) {
        self.watched.get_mut().close(|| self.opened.ops.poll_queue());
        locks::release(self.inode(), Owner::Flock(self.id));
        locks::release(self.inode(), Owner::OpenFile(self.id));
    }
}
