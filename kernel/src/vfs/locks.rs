//! Locks on files: `flock`'s, those of `fcntl` on ranges of bytes, and open file descriptions' own. Models `fs/locks.c`.
//!
//! All are in one table by inode number, so that an inode nobody locks pays a word. Whoever waits sleeps on one queue and
//! looks again whenever a lock goes.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::inode::Inode;
use crate::mm::admit::admit;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};

/// Who has a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// `flock`: an open file.
    Flock(usize),
    /// `fcntl` with `F_OFD_*`: an open file.
    OpenFile(usize),
    /// `fcntl`: a table of descriptors, and the process that asked.
    Process(usize, i32),
}

impl Owner {
    /// `flock`'s locks and those on ranges do not see each other.
    fn meets(self, other: Owner) -> bool {
        matches!(self, Owner::Flock(_)) == matches!(other, Owner::Flock(_))
    }

    fn is(self, other: Owner) -> bool {
        match (self, other) {
            (Owner::Process(a, _), Owner::Process(b, _)) => a == b,
            _ => self == other,
        }
    }
}

/// A lock, or the wish for one: bytes from `start` up to and with `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Whose.
    pub owner: Owner,
    /// The first byte.
    pub start: u64,
    /// The last.
    pub last: u64,
    /// Whether nobody else may have one.
    pub exclusive: bool,
}

impl Lock {
    /// All of a file.
    pub fn whole(owner: Owner, exclusive: bool) -> Lock {
        Lock { owner, start: 0, last: i64::MAX as u64, exclusive }
    }

    fn overlaps(&self, other: &Lock) -> bool {
        self.start <= other.last && other.start <= self.last
    }

    fn conflicts(&self, other: &Lock) -> bool {
        let both = self.owner.meets(other.owner) && !self.owner.is(other.owner);
        both && (self.exclusive || other.exclusive) && self.overlaps(other)
    }
}

/// The wish of somebody who sleeps, and whom it waits for.
struct Waiter {
    who: Owner,
    on: Owner,
}

struct Table {
    locks: BTreeMap<u64, Vec<Lock>>,
    waiters: Vec<Waiter>,
}

static TABLE: SpinLock<Table, { order::FILE_LOCKS }> =
    SpinLock::new(Table { locks: BTreeMap::new(), waiters: Vec::new() });
static CHANGED: WaitQueue = WaitQueue::new();

/// The first lock that is in the way of `wanted`.
pub fn test(inode: &Inode, wanted: &Lock) -> Option<Lock> {
    TABLE.lock().conflict(inode.ino(), wanted)
}

/// Takes a lock; what its owner has in the same bytes it replaces. `EAGAIN` where it would have to wait, and may not;
/// `EDEADLK` where those it waits for wait for it, `EINTR`, `ENOLCK`. May sleep.
pub fn lock(inode: &Inode, wanted: &Lock, wait: bool) -> Result<()> {
    admit().map_err(|_| Errno::ENOLCK)?;
    if matches!(wanted.owner, Owner::Flock(_)) {
        // Another kind of lock on the whole file is not changed but given up first.
        TABLE.lock().give_up_other(inode.ino(), wanted);
        CHANGED.wake_all();
    }
    let look = || {
        let mut table = TABLE.lock();
        table.forget_waiter(wanted.owner);
        match table.conflict(inode.ino(), wanted) {
            None => Some(table.take(inode.ino(), wanted)),
            Some(_) if !wait => Some(Err(Errno::EAGAIN)),
            Some(other) => table.wait_for(wanted.owner, other.owner).err().map(Err),
        }
    };
    let outcome = CHANGED.wait_interruptible(Interruptible::Yes, look);
    if outcome.is_err() {
        TABLE.lock().forget_waiter(wanted.owner);
    }
    outcome??;
    note(inode);
    // A shared lock in place of an exclusive one lets others in.
    CHANGED.wake_all();
    Ok(())
}

/// Gives up what an owner has in a range. `ENOLCK` where a lock would fall in two and there is no memory.
pub fn unlock(inode: &Inode, range: &Lock) -> Result<()> {
    if !inode.may_have_locks() {
        return Ok(());
    }
    let cut = TABLE.lock().cut(inode.ino(), range);
    note(inode);
    CHANGED.wake_all();
    cut
}

/// Gives up all an owner has. Does not sleep, and cannot fail.
#[inline]
pub fn release(inode: &Inode, owner: Owner) {
    if inode.may_have_locks() {
        release_all(inode, owner);
    }
}

#[inline(never)]
fn release_all(inode: &Inode, owner: Owner) {
    TABLE.lock().release(inode.ino(), owner);
    note(inode);
    CHANGED.wake_all();
}

/// Lets the inode know whether it has locks.
fn note(inode: &Inode) {
    let table = TABLE.lock();
    inode.set_may_have_locks(table.locks.contains_key(&inode.ino()));
}

impl Table {
    fn conflict(&self, ino: u64, wanted: &Lock) -> Option<Lock> {
        let locks = self.locks.get(&ino)?;
        locks.iter().find(|there| wanted.conflicts(there)).copied()
    }

    fn give_up_other(&mut self, ino: u64, wanted: &Lock) {
        let same = |lock: &Lock| lock.owner != wanted.owner || lock.exclusive == wanted.exclusive;
        if let Some(locks) = self.locks.get_mut(&ino) {
            locks.retain(same);
        }
        self.tidy(ino);
    }

    fn take(&mut self, ino: u64, wanted: &Lock) -> Result<()> {
        self.locks.entry(ino).or_default().try_reserve(3).map_err(|_| Errno::ENOLCK)?;
        self.cut(ino, wanted)?;
        let locks = self.locks.entry(ino).or_default();
        let mut merged = *wanted;
        let touches =
            |a: &Lock, b: &Lock| a.start <= b.last.saturating_add(1) && b.start <= a.last.saturating_add(1);
        locks.retain(|there| {
            let joins = there.owner.is(merged.owner)
                && there.exclusive == merged.exclusive
                && touches(there, &merged);
            if joins {
                (merged.start, merged.last) = (merged.start.min(there.start), merged.last.max(there.last));
            }
            !joins
        });
        locks.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        locks.push(merged);
        locks.sort_unstable_by_key(|lock| lock.start);
        Ok(())
    }

    /// Takes a range away from what its owner has.
    fn cut(&mut self, ino: u64, range: &Lock) -> Result<()> {
        let Some(locks) = self.locks.get_mut(&ino) else { return Ok(()) };
        let mine = |lock: &Lock| lock.owner.is(range.owner) && lock.overlaps(range);
        locks.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        let mut split = None;
        for lock in locks.iter_mut().filter(|lock| mine(lock)) {
            if lock.start < range.start && lock.last > range.last {
                split = Some(Lock { start: range.last + 1, ..*lock });
            }
            if lock.start < range.start {
                lock.last = range.start - 1;
            } else if lock.last > range.last {
                lock.start = range.last + 1;
            }
        }
        locks.retain(|lock| !mine(lock));
        locks.extend(split);
        self.tidy(ino);
        Ok(())
    }

    fn release(&mut self, ino: u64, owner: Owner) {
        if let Some(locks) = self.locks.get_mut(&ino) {
            locks.retain(|lock| !lock.owner.is(owner));
        }
        self.tidy(ino);
    }

    /// Keeps no memory for what is not locked.
    fn tidy(&mut self, ino: u64) {
        if self.locks.get(&ino).is_some_and(Vec::is_empty) {
            self.locks.remove(&ino);
        }
        if self.locks.is_empty() {
            self.locks = BTreeMap::new();
        }
    }

    /// Notes who waits for whom. Processes that would wait for each other in a circle do not (`EDEADLK`).
    fn wait_for(&mut self, who: Owner, on: Owner) -> Result<()> {
        if !matches!(who, Owner::Process(..)) {
            return Ok(());
        }
        let mut last = on;
        for _ in 0..=self.waiters.len() {
            if last.is(who) {
                return Err(Errno::EDEADLK);
            }
            match self.waiters.iter().find(|waiter| waiter.who.is(last)) {
                Some(waiter) => last = waiter.on,
                None => break,
            }
        }
        self.waiters.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        self.waiters.push(Waiter { who, on });
        Ok(())
    }

    fn forget_waiter(&mut self, who: Owner) {
        if let Some(at) = self.waiters.iter().position(|waiter| waiter.who.is(who)) {
            self.waiters.swap_remove(at);
        }
        if self.waiters.is_empty() {
            self.waiters = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::namespace::dir_inode;

    fn process(n: usize) -> Owner {
        Owner::Process(n, n as i32)
    }

    fn range(owner: Owner, start: u64, last: u64, exclusive: bool) -> Lock {
        Lock { owner, start, last, exclusive }
    }

    #[test]
    fn ranges_split_merge_and_conflict() {
        let inode = dir_inode(1, 0, None);
        let (a, b) = (process(1), process(2));
        lock(&inode, &range(a, 0, 99, true), false).unwrap();
        assert_eq!(lock(&inode, &range(b, 50, 60, false), false), Err(Errno::EAGAIN));
        unlock(&inode, &range(a, 40, 59, true)).unwrap();
        assert_eq!(test(&inode, &range(b, 0, 200, false)), Some(range(a, 0, 39, true)));
        assert_eq!(test(&inode, &range(b, 40, 59, true)), None);
        lock(&inode, &range(b, 40, 59, true), false).unwrap();
        lock(&inode, &range(a, 60, 99, false), false).unwrap();
        assert_eq!(test(&inode, &range(b, 60, 70, false)), None);
        release(&inode, b);
        lock(&inode, &range(a, 30, 70, false), false).unwrap();
        assert_eq!(test(&inode, &range(b, 35, 35, true)), Some(range(a, 30, 99, false)));
        assert!(inode.may_have_locks());
        release(&inode, a);
        assert!(!inode.may_have_locks());
    }

    #[test]
    fn kinds_do_not_see_each_other_but_open_files_and_processes_do() {
        let inode = dir_inode(1, 0, None);
        lock(&inode, &Lock::whole(Owner::Flock(7), true), false).unwrap();
        assert_eq!(test(&inode, &Lock::whole(process(3), true)), None);
        lock(&inode, &range(Owner::OpenFile(7), 0, 9, true), false).unwrap();
        assert_eq!(
            test(&inode, &range(process(3), 9, 9, false)).map(|lock| lock.owner),
            Some(Owner::OpenFile(7))
        );
        assert_eq!(lock(&inode, &Lock::whole(Owner::Flock(8), false), false), Err(Errno::EAGAIN));
        lock(&inode, &Lock::whole(Owner::Flock(7), false), false).unwrap();
        lock(&inode, &Lock::whole(Owner::Flock(8), false), false).unwrap();
        for owner in [Owner::Flock(7), Owner::Flock(8), Owner::OpenFile(7)] {
            release(&inode, owner);
        }
    }

    #[test]
    fn a_circle_of_waiters_is_seen() {
        let mut table = Table { locks: BTreeMap::new(), waiters: Vec::new() };
        assert_eq!(table.wait_for(process(1), process(2)), Ok(()));
        assert_eq!(table.wait_for(process(2), process(3)), Ok(()));
        assert_eq!(table.wait_for(process(3), process(1)), Err(Errno::EDEADLK));
        table.forget_waiter(process(2));
        assert_eq!(table.wait_for(process(3), process(1)), Ok(()));
        assert_eq!(table.wait_for(Owner::OpenFile(1), process(3)), Ok(()), "open files are not looked at");
    }
}
