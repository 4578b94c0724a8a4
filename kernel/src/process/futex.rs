//! Sleeping on a word of user memory (Linux: `kernel/futex`).
//!
//! A waiter enters the table before it looks at the word; whoever changes the word does so before looking for
//! waiters. So one of the two sees the other, and user memory is never touched under the table's lock. Each has a fence
//! between its two steps: neither a lock taken nor one given back keeps a store before it from a load after it.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use heaps::{Errno, Result};

use super::thread::Thread;
use crate::mm::admit::admit;
use crate::mm::aspace::key::FutexKey;
use crate::mm::user;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};

struct Waiter {
    woken: AtomicBool,
    queue: WaitQueue,
    bits: u32,
}

type Table = BTreeMap<FutexKey, Vec<Arc<Waiter>>>;

static TABLE: SpinLock<Table, { order::FUTEX }> = SpinLock::new(BTreeMap::new());

fn key(thread: &Thread, addr: u64, private: bool) -> Result<FutexKey> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let mm = thread.mm().ok_or(Errno::EFAULT)?;
    if private { Ok(mm.private_key(addr)) } else { mm.futex_key(addr) }
}

/// Sleeps while the word at `addr` is `expected`, until woken with one of `bits` or past the deadline (nanoseconds
/// since boot). `EAGAIN` when it is not, `ETIMEDOUT`, `EINTR`, `EFAULT`, `EINVAL`, `ENOMEM`.
pub fn wait(
    thread: &Thread,
    addr: u64,
    private: bool,
    expected: u32,
    deadline: Option<u64>,
    bits: u32,
) -> Result<()> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key(thread, addr, private)?;
    admit()?;
    let waiter = Arc::new(Waiter { woken: AtomicBool::new(false), queue: WaitQueue::new(), bits });
    TABLE.lock().entry(key).or_default().push(waiter.clone());
    fence(Ordering::SeqCst);
    let outcome = match user::read::<u32>(addr) {
        Ok(value) if value == expected => {
            let woken = || waiter.woken.load(Ordering::Acquire).then_some(());
            waiter.queue.wait_with(Interruptible::Yes, deadline, woken)
        }
        Ok(_) => Err(Errno::EAGAIN),
        Err(e) => Err(e),
    };
    // A wake-up that was meant for this thread counts, whatever else happened.
    if remove(&waiter) { outcome } else { Ok(()) }
}

/// Takes a waiter out of the table, wherever it was moved; whether it was still there.
fn remove(waiter: &Arc<Waiter>) -> bool {
    let mut table = TABLE.lock();
    if waiter.woken.load(Ordering::Acquire) {
        return false;
    }
    let found = table.iter_mut().find_map(|(key, waiters)| {
        let at = waiters.iter().position(|other| Arc::ptr_eq(other, waiter))?;
        waiters.remove(at);
        Some((*key, waiters.is_empty()))
    });
    if let Some((key, true)) = found {
        forget(&mut table, key);
    }
    found.is_some()
}

/// Takes out a word nobody waits at.
fn forget(table: &mut Table, key: FutexKey) {
    table.remove(&key);
    if table.is_empty() {
        // An emptied map keeps a node.
        *table = Table::new();
    }
}

/// Wakes up to `most` that wait at `addr` with one of `bits`; returns how many. `EFAULT`, `EINVAL`.
pub fn wake(thread: &Thread, addr: u64, private: bool, most: usize, bits: u32) -> Result<usize> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key(thread, addr, private)?;
    fence(Ordering::SeqCst);
    let woken = take(&mut TABLE.lock(), key, most, bits);
    woken.iter().for_each(|waiter| waiter.queue.wake_all());
    Ok(woken.len())
}

/// Takes waiters out and marks them woken.
fn take(table: &mut Table, key: FutexKey, most: usize, bits: u32) -> Vec<Arc<Waiter>> {
    let Some(waiters) = table.get_mut(&key) else { return Vec::new() };
    let mut left = most;
    let matches = |waiter: &mut Arc<Waiter>| {
        let taken = left > 0 && waiter.bits & bits != 0;
        left -= usize::from(taken);
        taken
    };
    let woken: Vec<_> = waiters.extract_if(.., matches).collect();
    woken.iter().for_each(|waiter| waiter.woken.store(true, Ordering::Release));
    if waiters.is_empty() {
        forget(table, key);
    }
    woken
}

/// Wakes up to `most` at `addr`, and lets up to `move_most` of the others wait at `to`. With `expected`, `EAGAIN` unless
/// the word at `addr` has that value. Returns how many were woken or moved.
pub fn requeue(
    thread: &Thread,
    addr: u64,
    to: u64,
    private: bool,
    most: usize,
    move_most: usize,
    expected: Option<u32>,
) -> Result<usize> {
    let (from, to) = (key(thread, addr, private)?, key(thread, to, private)?);
    if let Some(expected) = expected
        && user::read::<u32>(addr)? != expected
    {
        return Err(Errno::EAGAIN);
    }
    fence(Ordering::SeqCst);
    let mut table = TABLE.lock();
    let woken = take(&mut table, from, most, !0);
    let mut moved = 0;
    if let Some(waiters) = table.get_mut(&from).filter(|_| from != to) {
        moved = waiters.len().min(move_most);
        let movers: Vec<_> = waiters.drain(..moved).collect();
        if waiters.is_empty() {
            forget(&mut table, from);
        }
        if moved > 0 {
            table.entry(to).or_default().extend(movers);
        }
    }
    drop(table);
    woken.iter().for_each(|waiter| waiter.queue.wake_all());
    Ok(woken.len() + moved)
}
