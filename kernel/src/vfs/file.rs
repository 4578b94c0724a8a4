//! Open files, and what the last close of one does, in order.
//!
//! The last reference to a [`File`] ends in [`Drop`], with no lock held: whoever takes files out of a table
//! hands them out of the lock first. Models `fs/file_table.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use heaps::{Errno, PhysAddr, Result};

use super::dentry::Dentry;
use super::dir::DirSink;
use super::flags::*;
use super::inode::Inode;
use super::io::{Sink, Source};
use super::locks::{self, Owner};
use super::mmap::{Mmap, MmapRequest};
use super::poll::{self, Link, PollQueue};
use super::uses::Use;
use super::write_access::WriteAccess;
use crate::chrdev::CdevRef;
use crate::mm::admit::admit;
use crate::mm::aspace::mappers::FilePages;
use crate::modules::ModuleRef;
use crate::sync::{Mutex, MutexGuard, SpinLock, order};

/// The flags `fcntl(F_SETFL)` may change.
pub const SETFL_MASK: u32 = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(65536);

/// How many open files exist, for the leak oracle.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// How many may exist at once.
pub fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
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
    /// The next byte that is data (`SEEK_DATA`).
    Data,
    /// The next byte that is in a hole (`SEEK_HOLE`).
    Hole,
}

impl Whence {
    /// The whence of a system call. `EINVAL`.
    pub fn from_raw(raw: u32) -> Result<Whence> {
        match raw {
            0 => Ok(Whence::Set),
            1 => Ok(Whence::Cur),
            2 => Ok(Whence::End),
            3 => Ok(Whence::Data),
            4 => Ok(Whence::Hole),
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
    /// There is one for those who name it, but reading and writing do not move it.
    Still,
    /// There is one, and threads sharing the file may get in each other's way.
    Shared,
    /// There is one, and threads sharing the file take turns.
    Locked,
}

/// Readiness, in the bits of `poll`.
pub type Events = u32;
/// There is something to read.
pub const POLLIN: Events = 1;
/// There is something urgent.
pub const POLLPRI: Events = 2;
/// There is room to write.
pub const POLLOUT: Events = 4;
/// An error condition.
pub const POLLERR: Events = 8;
/// The other end is gone.
pub const POLLHUP: Events = 16;
/// The descriptor leads nowhere.
pub const POLLNVAL: Events = 32;
/// There is ordinary data to read.
pub const POLLRDNORM: Events = 0x40;
/// There is priority data to read.
pub const POLLRDBAND: Events = 0x80;
/// There is room to write ordinary data.
pub const POLLWRNORM: Events = 0x100;
/// There is room to write priority data.
pub const POLLWRBAND: Events = 0x200;
/// There is something to read, in both its names.
pub const READABLE: Events = POLLIN | POLLRDNORM;
/// There is room to write, in both its names.
pub const WRITABLE: Events = POLLOUT | POLLWRNORM;

/// What a file does. The default of each operation is what Linux answers for a missing one. Dropping the
/// operations is the file's release. All may sleep and are called with no lock held, but for the file's own
/// position lock where [`position`](FileOps::position) says so.
pub trait FileOps: Any + Send + Sync {
    /// Reads at `pos`; returns how much.
    fn read_at(&self, _file: &File, _to: &mut dyn Sink, _pos: u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes at `pos`; returns how much, and the position after it.
    fn write_at(&self, _file: &File, _from: &mut dyn Source, _pos: u64) -> Result<(usize, u64)> {
        Err(Errno::EINVAL)
    }

    /// Writes at the end, where there is one; else as [`write_at`](FileOps::write_at).
    fn append(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        self.write_at(file, from, pos)
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

    /// Its pages, for a mapping of [`Mmap::Pages`].
    fn pages<'f>(&self, _file: &'f File) -> Option<&'f dyn FilePages> {
        None
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

    /// What would not block now. Does not sleep; may be called with an epoll's harvest locked.
    fn poll(&self, _file: &File) -> Events {
        READABLE | WRITABLE
    }

    /// Where those wait who want to know when [`poll`](FileOps::poll) says something else; whoever makes it say so
    /// [notifies](PollQueue::notify) it. `None` for files that are always ready and that epoll refuses to watch.
    fn poll_queue(&self) -> Option<&PollQueue> {
        None
    }

    /// Its own lines of `/proc/PID/fdinfo/N`; `references` is how many hold the file.
    fn show_fdinfo(&self, _to: &mut String, _references: usize) {}

    /// What `/proc/PID/fd/N` says for a file without a path.
    fn link_text(&self) -> Option<String> {
        None
    }

    /// A pipe's capacity in bytes, after setting it where `to` says so. `EBADF` for what is no pipe.
    fn pipe_size(&self, _to: Option<usize>) -> Result<usize> {
        Err(Errno::EBADF)
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

/// Who is told of a file's last close. Most files have none.
#[derive(Default)]
struct Links(Vec<Arc<dyn Link>>);

/// What a file has once somebody watches it.
#[derive(Default)]
struct Watched {
    links: Option<Box<Links>>,
    /// Its place among those whose last close is put off, made with its first link, so that putting off cannot fail.
    place: Option<Box<PutOff>>,
}

/// A file whose last close was put off, and the next one.
#[derive(Default)]
struct PutOff {
    file: Option<File>,
    next: Option<Box<PutOff>>,
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
        let inode = match &place {
            Place::Named(dentry) => dentry.inode(),
            Place::Anonymous(inode) => inode,
        };
        let one = Use::of(inode.dev());
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
        match &self.place {
            Place::Named(dentry) => dentry.inode(),
            Place::Anonymous(inode) => inode,
        }
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

    /// Reads at the position and moves it. `EBADF` when not open for reading. May sleep.
    pub fn read(&self, to: &mut dyn Sink) -> Result<usize> {
        self.may_read()?;
        let len = to.room();
        self.at_position(len, |pos| self.ops().read_at(self, to, pos).map(|n| (n, pos + n as u64)))
    }

    /// Writes at the position and moves it. `EBADF` when not open for writing. May sleep.
    pub fn write(&self, from: &mut dyn Source) -> Result<usize> {
        self.may_write()?;
        let len = from.left();
        self.at_position(len, |pos| self.ops().write_at(self, from, pos))
    }

    /// Reads at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pread(&self, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        self.may_read()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        verify_area(pos, to.room())?;
        self.ops().read_at(self, to, pos)
    }

    /// Writes at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pwrite(&self, from: &mut dyn Source, pos: u64) -> Result<usize> {
        self.may_write()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        verify_area(pos, from.left())?;
        self.ops().write_at(self, from, pos).map(|(n, _)| n)
    }

    /// Writes at the end, wherever the position is, and moves it where `moves`. As [`write`](Self::write) and
    /// [`pwrite`](Self::pwrite). May sleep.
    pub fn append(&self, from: &mut dyn Source, moves: bool) -> Result<usize> {
        self.may_write()?;
        let len = from.left();
        match self.ops().position() {
            _ if moves => self.at_position(len, |pos| self.ops().append(self, from, pos)),
            Position::None => Err(Errno::ESPIPE),
            _ => self.ops().append(self, from, self.pos()).map(|(n, _)| n),
        }
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

    /// What would not block now. Does not sleep.
    pub fn poll(&self) -> Events {
        self.ops().poll(self)
    }

    /// Lets `link` be told of the last close. `ENOMEM`.
    pub(super) fn add_link(&self, link: Arc<dyn Link>) -> Result<()> {
        admit()?;
        let place = Box::<PutOff>::default();
        let mut watched = self.watched.lock();
        let Links(links) = &mut **watched.links.get_or_insert_default();
        let room = links.try_reserve(1).map_err(|_| Errno::ENOMEM);
        if room.is_ok() {
            links.push(link);
        }
        forget_if_empty(&mut watched.links);
        // It stays as long as the file: whoever holds the file for a moment may be the last, links or not.
        let unused = if watched.place.is_none() { watched.place.replace(place) } else { Some(place) };
        drop(watched);
        drop(unused);
        room
    }

    /// Takes [`add_link`](Self::add_link) back.
    pub(super) fn remove_link(&self, link: &Arc<dyn Link>) {
        let mut watched = self.watched.lock();
        let Some(Links(links)) = watched.links.as_deref_mut() else { return };
        let found = links.iter().position(|other| poll::same(other, link));
        let removed = found.map(|at| links.swap_remove(at));
        forget_if_empty(&mut watched.links);
        drop(watched);
        drop(removed);
    }

    /// Who is told of the last close now. `ENOMEM`.
    pub(super) fn links(&self) -> Result<Vec<Arc<dyn Link>>> {
        let mut all = Vec::new();
        if let Some(Links(links)) = self.watched.lock().links.as_deref() {
            all.try_reserve_exact(links.len()).map_err(|_| Errno::ENOMEM)?;
            all.extend(links.iter().cloned());
        }
        Ok(all)
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

    /// `EBADF` unless open for reading.
    pub fn may_read(&self) -> Result<()> {
        self.readable().then_some(()).ok_or(Errno::EBADF)
    }

    /// `EBADF` unless open for writing.
    pub fn may_write(&self) -> Result<()> {
        self.writable().then_some(()).ok_or(Errno::EBADF)
    }

    fn at_position(&self, len: usize, transfer: impl FnOnce(u64) -> Result<(usize, u64)>) -> Result<usize> {
        if self.ops().position() == Position::None {
            return transfer(0).map(|(n, _)| n);
        }
        let _turn = self.turn();
        verify_area(self.pos(), len)?;
        let (n, after) = transfer(self.pos())?;
        if self.ops().position() != Position::Still {
            self.set_pos(after);
        }
        Ok(n)
    }

    fn turn(&self) -> Option<MutexGuard<'_, (), { order::FILE_POS }>> {
        (self.ops().position() == Position::Locked).then(|| self.pos_lock.lock())
    }
}

/// `EINVAL` for a transfer past the last offset (Linux: `rw_verify_area`).
pub fn verify_area(pos: u64, len: usize) -> Result<()> {
    let end = pos.checked_add(len as u64).filter(|&end| end <= i64::MAX as u64);
    end.map(drop).ok_or(Errno::EINVAL)
}

/// An emptied vector keeps its memory.
fn forget_if_empty(links: &mut Option<Box<Links>>) {
    if links.as_ref().is_some_and(|links| links.0.is_empty()) {
        *links = None;
    }
}

impl Drop for File {
    /// The last close, before anything is given back: nobody watches the file from here on, and its locks go.
    fn drop(&mut self) {
        if let Some(links) = self.watched.get_mut().links.take() {
            links.0.into_iter().for_each(|link| link.closed(self.opened.ops.poll_queue()));
        }
        locks::release(self.inode(), Owner::Flock(self.id));
        locks::release(self.inode(), Owner::OpenFile(self.id));
    }
}

/// Files whose last reference went where nothing may be closed.
static PUT_OFF: SpinLock<Option<Box<PutOff>>, { order::FILE_LINKS }> = SpinLock::new(None);

/// Drops a reference to a file that is or was watched, where nothing may sleep: the last close, if it is that, is put off
/// until [`close_put_off`]. Takes no memory.
pub(super) fn put(file: Arc<File>) {
    let Some(mut file) = Arc::into_inner(file) else { return };
    // What was never watched is nobody's to hold but by a descriptor or a mapping.
    let Some(mut place) = file.watched.get_mut().place.take() else { return };
    place.file = Some(file);
    let mut first = PUT_OFF.lock();
    place.next = first.take();
    *first = Some(place);
}

/// Closes what [`put`] put off. May sleep.
pub fn close_put_off() {
    let mut first = PUT_OFF.lock().take();
    while let Some(mut place) = first {
        drop(place.file.take());
        first = place.next.take();
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

/// Where `lseek` leads from a file `size` bytes long, which is one piece of data. `EINVAL` before the start and past
/// the last offset, `ENXIO` for data or a hole past the end.
pub fn seek_within(file: &File, size: u64, offset: i64, whence: Whence) -> Result<u64> {
    let base = match whence {
        Whence::Set => 0,
        Whence::Cur => file.pos(),
        Whence::End => size,
        Whence::Data | Whence::Hole => {
            let from = u64::try_from(offset).ok().filter(|&from| from < size).ok_or(Errno::ENXIO)?;
            let pos = if whence == Whence::Data { from } else { size };
            file.set_pos(pos);
            return Ok(pos);
        }
    };
    let pos = (base as i64).checked_add(offset).ok_or(Errno::EINVAL)?;
    let pos = u64::try_from(pos).map_err(|_| Errno::EINVAL)?;
    file.set_pos(pos);
    Ok(pos)
}
