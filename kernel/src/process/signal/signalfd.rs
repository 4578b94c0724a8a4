//! Reading pending signals from a file. Models `fs/signalfd.c`.
//!
//! The signals are those of whoever reads or polls, not of whoever made the file.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{Errno, Result};
use zerocopy::{Immutable, IntoBytes};

use super::{SIGCHLD, SigSet, Taken, UNBLOCKABLE};
use crate::process::with_current;
use crate::vfs::anon;
use crate::vfs::file::{Events, File, FileOps, POLLIN, Whence};
use crate::vfs::flags::{O_NONBLOCK, O_RDWR};
use crate::vfs::io::Sink;
use crate::vfs::poll::{self, PollQueue};

/// Those who wait for signals by file, anybody's: any signal that is sent is news to them.
pub(super) static WATCHED: PollQueue = PollQueue::new();

struct SignalFd(AtomicU64);

/// `struct signalfd_siginfo`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Record {
    signo: u32,
    errno: i32,
    code: i32,
    pid: u32,
    uid: u32,
    fd: i32,
    tid: u32,
    band: u32,
    overrun: u32,
    trapno: u32,
    status: i32,
    int: i32,
    ptr: u64,
    times: [u64; 2],
    addr: u64,
    rest: [u64; 6],
}

const SIZE: usize = size_of::<Record>();
const _: () = assert!(SIZE == 128);

/// A file that yields the signals of `set`; `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(set: SigSet, flags: u32) -> Result<Arc<File>> {
    anon::file(O_RDWR | flags, SignalFd(AtomicU64::new(set & !UNBLOCKABLE)))
}

/// Lets a file yield the signals of another set. `EINVAL` where it yields none at all.
pub fn set(file: &File, set: SigSet) -> Result<()> {
    let ops: &dyn Any = file.ops();
    let SignalFd(mask) = ops.downcast_ref().ok_or(Errno::EINVAL)?;
    mask.store(set & !UNBLOCKABLE, Ordering::Relaxed);
    WATCHED.notify(POLLIN);
    Ok(())
}

impl SignalFd {
    fn set(&self) -> SigSet {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Taken> {
        with_current(|thread| thread.take_of(self.set())).flatten()
    }

    /// Takes a signal, and sleeps until there is one unless the file may not. `EAGAIN`, `EINTR`.
    fn wait(&self, file: &File) -> Result<Taken> {
        loop {
            if let Some(taken) = self.take() {
                return Ok(taken);
            }
            if file.flags() & O_NONBLOCK != 0 {
                return Err(Errno::EAGAIN);
            }
            poll::wait([file].into_iter(), None, || usize::from(self.poll(file) != 0))?;
        }
    }
}

impl FileOps for SignalFd {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        if to.room() < SIZE {
            return Err(Errno::EINVAL);
        }
        let mut done = 0;
        let mut next = Some(self.wait(file)?);
        while let Some(taken) = next {
            if let Err(e) = to.put(record(&taken).as_bytes()) {
                return if done == 0 { Err(e) } else { Ok(done) };
            }
            done += SIZE;
            next = if to.room() < SIZE { None } else { self.take() };
        }
        Ok(done)
    }

    fn poll(&self, _: &File) -> Events {
        let pending = with_current(|thread| thread.pending() & self.set()).unwrap_or(0);
        if pending != 0 { POLLIN } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&WATCHED)
    }

    fn llseek(&self, _: &File, _: i64, _: Whence) -> Result<u64> {
        Ok(0)
    }

    fn show_fdinfo(&self, to: &mut dyn Write, _: usize) -> fmt::Result {
        writeln!(to, "sigmask:\t{:016x}", self.set())
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:[signalfd]".into())
    }
}

fn record(taken: &Taken) -> Record {
    const SI_TIMER: i32 = -2;
    let Taken { info, value } = *taken;
    let (low, high) = (info.detail as u32, (info.detail >> 32) as u32);
    let mut record = Record {
        signo: info.signal,
        errno: 0,
        code: info.code,
        pid: 0,
        uid: 0,
        fd: 0,
        tid: 0,
        band: 0,
        overrun: 0,
        trapno: 0,
        status: 0,
        int: 0,
        ptr: 0,
        times: [0; 2],
        addr: 0,
        rest: [0; 6],
    };
    match info.code {
        SI_TIMER => (record.tid, record.overrun) = (low, high),
        _ => (record.pid, record.uid) = (low, high),
    }
    if info.signal == SIGCHLD && info.code > 0 {
        record.status = value as i32;
    } else {
        (record.ptr, record.int) = (value, value as i32);
    }
    record
}
