//! Open files, and what the last close of one does, in order.
//!
//! The last reference to a [`File`] ends in [`Drop`], with no lock held: whoever takes files out of a table
//! hands them out of the lock first. Models `fs/file_table.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, PhysAddr, Result};

use super::dentry::Dentry;
use super::dir::DirSink;
use super::flags::{O_ACCMODE, O_APPEND, O_DIRECT, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};
use super::inode::Inode;
use super::io::{Sink, Source};
use super::mmap::{Mmap, MmapRequest};
use crate::chrdev::CdevRef;
use crate::mm::admit::admit;
use crate::modules::ModuleRef;
use crate::sync::{Mutex, MutexGuard, order};

/// The flags `fcntl(F_SETFL)` may change.
pub const SETFL_MASK: u32 = O_APPEND | O_NONBLOCK | O_DIRECT;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(65536);

/// How many open files exist, for the leak oracle.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Lets at most `files` exist at once; beyond, opening is `ENFILE`.
pub fn set_limit(files: usize) {
    LIMIT.store(files, Ordering::Relaxed);
}

/// What `lseek` counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start.
    Set,
    /// The current position.
    Cur,
    /// The end.
    End,
}

impl Whence {
    /// The whence of a system call. `EINVAL`.
    pub fn from_raw(raw: u32) -> Result<Whence> {
        match raw {
            0 => Ok(Whence::Set),
            1 => Ok(Whence::Cur),
            2 => Ok(Whence::End),
            _ => Err(Errno::EINVAL),
        }
    }

    /// As a system call carries it.
    pub fn raw(self) -> u32 {
        self as u32
    }
}

/// A file's idea of a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// There is none.
    None,
    /// There is one, and threads sharing the file may get in each other's way.
    Shared,
    /// There is one, and threads sharing the file take turns.
    Locked,
}

/// Readiness, in the bits of `poll`.
pub type Events = u32;
/// There is something to read.
pub const POLLIN: Events = 1;
/// There is room to write.
pub const POLLOUT: Events = 4;
/// An error condition.
pub const POLLERR: Events = 8;
/// The other end is gone.
pub const POLLHUP: Events = 16;

/// What a file does. The default of each operation is what Linux answers for a missing one. Dropping the
/// operations is the file's release. All may sleep and are called with no lock held, but for the file's own
/// position lock where [`position`](FileOps::position) says so.
pub trait FileOps: Send + Sync {
    /// Reads at `pos`; returns how much.
    fn read_at(&self, _file: &File, _to: &mut dyn Sink, _pos: u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes at `pos`; returns how much, and the position after it.
    fn write_at(&self, _file: &File, _from: &mut dyn Source, _pos: u64) -> Result<(usize, u64)> {
        Err(Errno::EINVAL)
    }

    /// Whether reads and writes move a position.
    fn position(&self) -> Position {
        Position::None
    }

    /// A device's own command. `ENOTTY` for an unknown one.
    fn ioctl(&self, _file: &File, _call: &Ioctl<'_>) -> Result<usize> {
        Err(Errno::ENOTTY)
    }

    /// Moves the position and returns it.
    fn llseek(&self, _file: &File, _offset: i64, _whence: Whence) -> Result<u64> {
        Err(Errno::ESPIPE)
    }

    /// Says what to put into an address space for a mapping.
    fn mmap(&self, _file: &File, _request: &MmapRequest) -> Result<Mmap> {
        Err(Errno::ENODEV)
    }

    /// Reads content at `offset` for a mapping of [`Mmap::Content`]; short only at the end. Touches no user memory:
    /// the address space is locked.
    fn map_content(&self, _file: &File, _offset: u64, _into: &mut [u8]) -> Result<usize> {
        Err(Errno::ENODEV)
    }

    /// Names the runs behind `pages` pages from page `first` for a mapping of [`Mmap::Runs`], in order, up to
    /// `each`'s first error. Under the address space's lock, too.
    fn map_runs(
        &self,
        _first: u64,
        _pages: u64,
        _each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        Err(Errno::ENODEV)
    }

    /// Whether the memory behind [`map_runs`](FileOps::map_runs) was taken away for good; it names nothing then.
    fn is_revoked(&self) -> bool {
        false
    }

    /// Lists the directory's entries from the file's position on.
    fn iterate(&self, _file: &File, _to: &mut DirSink<'_>) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// What would not block now. Does not sleep; whoever changes it calls [`poll::changed`](super::poll::changed).
    fn poll(&self, _file: &File) -> Events {
        POLLIN | POLLOUT
    }

    /// Its own lines of `/proc/PID/fdinfo/N`; `references` is how many hold the file.
    fn show_fdinfo(&self, _to: &mut String, _references: usize) {}

    /// What `/proc/PID/fd/N` says for a file without a path.
    fn link_text(&self) -> Option<String> {
        None
    }

    /// The size `fstat` says, where the inode does not know it.
    fn size(&self) -> Option<u64> {
        None
    }
}

/// One `ioctl`: the command, its argument, and whose descriptor table gains what it opens.
pub struct Ioctl<'a> {
    /// The command number.
    pub cmd: u32,
    /// The argument; a user address, mostly.
    pub arg: u64,
    /// The caller's descriptors.
    pub files: &'a Arc<super::fdtable::FdTable>,
}

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

/// An open file.
pub struct File {
    // First, so that the last close starts with it.
    opened: Opened,
    place: Place,
    flags: AtomicU32,
    pos: AtomicU64,
    pos_lock: Mutex<(), { order::FILE_POS }>,
    _count: Counted,
}

impl File {
    /// A file at a name. `ENFILE`, `ENOMEM`.
    pub fn new(at: Arc<Dentry>, flags: u32, ops: Box<dyn FileOps>) -> Result<Arc<File>> {
        File::build(Place::Named(at), flags, Opened { ops, cdev: None, owner: None })
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
        Ok(Arc::new(File {
            opened,
            place,
            flags: AtomicU32::new(flags),
            pos: AtomicU64::new(0),
            pos_lock: Mutex::new(()),
            _count: count,
        }))
    }

    /// The inode it is open on.
    pub fn inode(&self) -> &Arc<Inode> {
        match &self.place {
            Place::Named(dentry) => dentry.inode(),
            Place::Anonymous(inode) => inode,
        }
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

    /// Reads at the position and moves it. `EBADF` when not open for reading. May sleep.
    pub fn read(&self, to: &mut dyn Sink) -> Result<usize> {
        self.may_read()?;
        self.at_position(|pos| self.ops().read_at(self, to, pos).map(|n| (n, pos + n as u64)))
    }

    /// Writes at the position and moves it. `EBADF` when not open for writing. May sleep.
    pub fn write(&self, from: &mut dyn Source) -> Result<usize> {
        self.may_write()?;
        self.at_position(|pos| self.ops().write_at(self, from, pos))
    }

    /// Reads at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pread(&self, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        self.may_read()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        self.ops().read_at(self, to, pos)
    }

    /// Writes at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pwrite(&self, from: &mut dyn Source, pos: u64) -> Result<usize> {
        self.may_write()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        self.ops().write_at(self, from, pos).map(|(n, _)| n)
    }

    /// Lists entries and moves the position. May sleep.
    pub fn iterate(&self, to: &mut DirSink<'_>) -> Result<()> {
        let _turn = self.pos_lock.lock();
        self.ops().iterate(self, to)
    }

    /// Moves the position. May sleep.
    pub fn lseek(&self, offset: i64, whence: Whence) -> Result<u64> {
        if self.is_path() {
            return Err(Errno::EBADF);
        }
        let _turn = self.turn();
        self.ops().llseek(self, offset, whence)
    }

    /// What `/proc/PID/fd/N` says.
    pub fn link_text(&self) -> Vec<u8> {
        if let Some(text) = self.ops().link_text() {
            return text.into_bytes();
        }
        let Some(dentry) = self.dentry() else {
            return b"anon_inode:[file]".to_vec();
        };
        let mut path = dentry.path();
        if self.inode().nlink() == 0 {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    fn may_read(&self) -> Result<()> {
        self.readable().then_some(()).ok_or(Errno::EBADF)
    }

    fn may_write(&self) -> Result<()> {
        self.writable().then_some(()).ok_or(Errno::EBADF)
    }

    fn at_position(&self, transfer: impl FnOnce(u64) -> Result<(usize, u64)>) -> Result<usize> {
        let _turn = self.turn();
        let (n, after) = transfer(self.pos())?;
        if self.ops().position() != Position::None {
            self.set_pos(after);
        }
        Ok(n)
    }

    fn turn(&self) -> Option<MutexGuard<'_, (), { order::FILE_POS }>> {
        (self.ops().position() == Position::Locked).then(|| self.pos_lock.lock())
    }
}

/// One unit of the count of open files.
struct Counted;

impl Counted {
    fn new() -> Result<Counted> {
        if LIVE.fetch_add(1, Ordering::Relaxed) >= LIMIT.load(Ordering::Relaxed) {
            LIVE.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENFILE);
        }
        Ok(Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where `lseek` leads from a file `size` bytes long. `EINVAL` before the start, `EOVERFLOW` past the last offset.
pub fn seek_within(file: &File, size: u64, offset: i64, whence: Whence) -> Result<u64> {
    let base = match whence {
        Whence::Set => 0,
        Whence::Cur => file.pos(),
        Whence::End => size,
    };
    let pos = (base as i64).checked_add(offset).ok_or(Errno::EOVERFLOW)?;
    let pos = u64::try_from(pos).map_err(|_| Errno::EINVAL)?;
    file.set_pos(pos);
    Ok(pos)
}
