//! A process' table of open files.
//!
//! A descriptor is published in two steps: a [`Reservation`] takes the number, which leads nowhere, everything that
//! can fail is done, and [`Reservation::install`] cannot. What leaves the table is handed out, so that its last
//! close runs without the table's lock. Models `fs/file.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::bitmap::Bitmap;
use super::file::File;
use super::locks::{self, Owner};
use crate::sync::{SpinLock, order};

/// The number of descriptors a process may have unless told otherwise (`RLIMIT_NOFILE`).
pub const DEFAULT_LIMIT: usize = 1024;
/// The largest limit that can be set.
pub const MAX_LIMIT: usize = 1 << 20;

/// The room a table has from the start.
const FIRST_ROOM: usize = 64;

#[derive(Default)]
struct Table {
    files: Vec<Option<Arc<File>>>,
    taken: Bitmap,
    cloexec: Bitmap,
}

/// A table of open files. Threads share one; fork copies it.
pub struct FdTable {
    table: SpinLock<Table, { order::FD_TABLE }>,
    limit: AtomicUsize,
}

impl FdTable {
    /// An empty table with the default limit.
    pub fn new() -> Arc<FdTable> {
        FdTable::with(Table::default(), DEFAULT_LIMIT)
    }

    fn with(table: Table, limit: usize) -> Arc<FdTable> {
        Arc::new(FdTable { table: SpinLock::new(table), limit: AtomicUsize::new(limit) })
    }

    /// A copy that shares the open files, for fork. Reserved numbers are free in it. `ENOMEM`.
    pub fn fork(&self) -> Result<Arc<FdTable>> {
        let table = self.table.lock();
        let mut copy = Table { cloexec: table.cloexec.try_clone()?, ..Table::default() };
        copy.files.try_reserve_exact(table.files.len()).map_err(|_| Errno::ENOMEM)?;
        copy.taken.grow(table.files.len())?;
        for (fd, file) in table.files.iter().enumerate() {
            match file {
                Some(_) => copy.taken.set(fd),
                None => copy.cloexec.clear(fd),
            }
            copy.files.push(file.clone());
        }
        drop(table);
        Ok(FdTable::with(copy, self.limit()))
    }

    /// One more than the largest descriptor that may be opened.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets the limit, at most [`MAX_LIMIT`]; what is open stays open.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit.min(MAX_LIMIT), Ordering::Relaxed);
    }

    /// The open file. `EBADF`.
    pub fn get(&self, fd: i32) -> Result<Arc<File>> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let table = self.table.lock();
        table.files.get(fd).cloned().flatten().ok_or(Errno::EBADF)
    }

    /// Reserves the lowest free number from `from` on. `EMFILE`, `ENOMEM`; `EINVAL` when `from` is past the limit.
    pub fn reserve_from(self: &Arc<Self>, from: usize, cloexec: bool) -> Result<Reservation> {
        let limit = self.limit();
        if from >= limit && from != 0 {
            return Err(Errno::EINVAL);
        }
        let mut table = self.table.lock();
        let fd = table.taken.first_zero(from);
        if fd >= limit {
            return Err(Errno::EMFILE);
        }
        table.take(fd, cloexec)?;
        drop(table);
        Ok(Reservation { table: self.clone(), fd, live: true })
    }

    /// Reserves the lowest free number. `EMFILE`, `ENOMEM`.
    pub fn reserve(self: &Arc<Self>, cloexec: bool) -> Result<Reservation> {
        self.reserve_from(0, cloexec)
    }

    /// Publishes `file` under the lowest free number. `EMFILE`, `ENOMEM`.
    pub fn add(self: &Arc<Self>, file: Arc<File>, cloexec: bool) -> Result<usize> {
        Ok(self.reserve(cloexec)?.install(file))
    }

    /// Puts `file` at `fd` and returns what was there. `EBADF` past the limit, `EBUSY` when the number is reserved
    /// by an open under way, `ENOMEM`.
    pub fn replace(&self, fd: i32, file: Arc<File>, cloexec: bool) -> Result<Option<Arc<File>>> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if fd >= self.limit() {
            return Err(Errno::EBADF);
        }
        let mut table = self.table.lock();
        if table.taken.contains(fd) && table.files[fd].is_none() {
            return Err(Errno::EBUSY);
        }
        table.take(fd, cloexec)?;
        Ok(table.files[fd].replace(file))
    }

    /// Takes a file out. [`close`](Self::close) it. `EBADF`.
    pub fn remove(&self, fd: i32) -> Result<Arc<File>> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.table.lock().remove(fd).ok_or(Errno::EBADF)
    }

    /// What tells it from other tables, as long as it is there.
    pub fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Closes a file that was taken out. Every close of a file gives up the locks on its bytes, whichever descriptor
    /// they were asked for by. May sleep.
    pub fn close(&self, file: Arc<File>) {
        locks::release(file.inode(), Owner::Process(self.id(), 0));
        drop(file);
    }

    /// Whether a descriptor is closed at execve. `EBADF`.
    pub fn cloexec(&self, fd: i32) -> Result<bool> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let table = self.table.lock();
        match table.files.get(fd) {
            Some(Some(_)) => Ok(table.cloexec.contains(fd)),
            _ => Err(Errno::EBADF),
        }
    }

    /// Says whether a descriptor is closed at execve. `EBADF`.
    pub fn set_cloexec(&self, fd: i32, on: bool) -> Result<()> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let mut table = self.table.lock();
        match table.files.get(fd) {
            Some(Some(_)) => table.mark(fd, on),
            _ => return Err(Errno::EBADF),
        }
        Ok(())
    }

    /// Closes what execve closes. May sleep.
    pub fn close_on_exec(&self) {
        self.close_where(0, usize::MAX, |table, fd| table.cloexec.contains(fd));
    }

    /// Closes everything from `first` to `last`. May sleep.
    pub fn close_range(&self, first: usize, last: usize) {
        self.close_where(first, last, |_, _| true);
    }

    /// Marks everything from `first` to `last` to be closed at execve.
    pub fn cloexec_range(&self, first: usize, last: usize) {
        let mut table = self.table.lock();
        for fd in first..table.files.len().min(last.saturating_add(1)) {
            if table.files[fd].is_some() {
                table.mark(fd, true);
            }
        }
    }

    /// Closes everything, as exit does. May sleep.
    pub fn close_all(&self) {
        self.close_range(0, usize::MAX);
    }

    fn close_where(&self, first: usize, last: usize, which: impl Fn(&Table, usize) -> bool) {
        let mut from = first;
        while let Some((fd, file)) = self.remove_next(from, last, &which) {
            self.close(file);
            from = fd + 1;
        }
    }

    fn remove_next(
        &self,
        from: usize,
        last: usize,
        which: impl Fn(&Table, usize) -> bool,
    ) -> Option<(usize, Arc<File>)> {
        let mut table = self.table.lock();
        let end = table.files.len().min(last.saturating_add(1));
        let fd = (from..end).find(|&fd| table.files[fd].is_some() && which(&table, fd))?;
        table.remove(fd).map(|file| (fd, file))
    }

    /// How many descriptors there is room for without growing; there is always room for some.
    pub fn room(&self) -> usize {
        self.table.lock().files.len().max(FIRST_ROOM)
    }

    /// The first open descriptor from `from` on.
    pub fn next_open(&self, from: usize) -> Option<usize> {
        let table = self.table.lock();
        (from..table.files.len()).find(|&fd| table.files[fd].is_some())
    }
}

impl Table {
    fn mark(&mut self, fd: usize, cloexec: bool) {
        if cloexec { self.cloexec.set(fd) } else { self.cloexec.clear(fd) }
    }

    fn take(&mut self, fd: usize, cloexec: bool) -> Result<()> {
        if fd >= self.files.len() {
            let size = (fd + 1).next_power_of_two().max(FIRST_ROOM);
            self.files.try_reserve_exact(size - self.files.len()).map_err(|_| Errno::ENOMEM)?;
            self.taken.grow(size)?;
            self.cloexec.grow(size)?;
            self.files.resize(size, None);
        }
        self.taken.set(fd);
        self.mark(fd, cloexec);
        Ok(())
    }

    fn remove(&mut self, fd: usize) -> Option<Arc<File>> {
        let file = self.files.get_mut(fd)?.take()?;
        self.give_back(fd);
        Some(file)
    }

    fn give_back(&mut self, fd: usize) {
        self.taken.clear(fd);
        self.cloexec.clear(fd);
    }
}

/// A descriptor number that leads nowhere yet. Dropping it gives the number back.
pub struct Reservation {
    table: Arc<FdTable>,
    fd: usize,
    live: bool,
}

impl Reservation {
    /// The number.
    pub fn fd(&self) -> usize {
        self.fd
    }

    /// Lets the number lead to `file`, and returns it. From here on other threads may use, and close, it.
    pub fn install(mut self, file: Arc<File>) -> usize {
        self.live = false;
        self.table.table.lock().files[self.fd] = Some(file);
        self.fd
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.live {
            self.table.table.lock().give_back(self.fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::super::file::FileOps;
    use super::super::inode::{Content, Inode};
    use super::*;

    struct Nothing;

    impl FileOps for Nothing {}

    fn file() -> Arc<File> {
        let inode = Arc::new(Inode::new(1, 0o600, Content::Anonymous));
        File::anonymous(inode, 0, Box::new(Nothing)).unwrap()
    }

    #[test]
    fn numbers_are_given_up_to_the_limit_and_again_once_they_are_free() {
        let table = FdTable::new();
        table.set_limit(3);
        for fd in 0..3 {
            assert_eq!(table.add(file(), false), Ok(fd));
        }
        assert_eq!(table.add(file(), false), Err(Errno::EMFILE));
        assert_eq!(table.reserve_from(3, false).map(drop), Err(Errno::EINVAL));
        assert_eq!(table.replace(3, file(), false).map(drop), Err(Errno::EBADF));
        drop(table.remove(1).unwrap());
        let reserved = table.reserve(false).unwrap();
        assert_eq!((reserved.fd(), table.get(1).map(drop)), (1, Err(Errno::EBADF)));
        assert_eq!(table.replace(1, file(), false).map(drop), Err(Errno::EBUSY));
        drop(reserved);
        assert_eq!(table.add(file(), false), Ok(1));
    }
}
