//! Pipes: a bounded queue of bytes between two open files. Models `fs/pipe.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::fifo;
use super::file::{Events, File, FileOps, Ioctl, POLLERR, POLLHUP, READABLE, WRITABLE};
use super::flags::{O_NONBLOCK, O_RDONLY, O_WRONLY};
use super::io::{Bounce, Sink, Source, partial};
use super::poll::PollQueue;
use crate::mm::admit::admit;
use crate::mm::user;
use crate::process::signal;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};

/// How many bytes a pipe holds unless told otherwise.
const CAPACITY: usize = 65536;
/// The largest capacity that can be asked for.
const MAX_CAPACITY: usize = 1 << 31;
const FIONREAD: u32 = 0x541b;
/// Writes of at most this many bytes are not mixed with others.
const ATOMIC: usize = 4096;
const DEV: u32 = 8;

struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// How many readers and writers there are.
    ends: [usize; 2],
    /// How often either end was opened.
    opened: [u64; 2],
}

/// The readers' place in pairs of figures.
const READERS: usize = 0;
/// The writers'.
const WRITERS: usize = 1;
/// Stands for any number of times: somebody is at the other end already.
const ANY: u64 = u64::MAX;

impl Queue {
    /// One more at an end. Returns how often the other was opened before, [`ANY`] where somebody is there.
    fn open(&mut self, end: usize) -> u64 {
        self.ends[end] += 1;
        self.opened[end] += 1;
        let other = 1 - end;
        if self.ends[other] > 0 { ANY } else { self.opened[other] }
    }
}

/// The queue between two ends, and who waits for it.
pub(super) struct Pipe {
    queue: SpinLock<Queue, { order::PIPE }>,
    changed: WaitQueue,
    readable: PollQueue,
    writable: PollQueue,
}

impl Pipe {
    /// An empty one without ends. `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Pipe>> {
        admit()?;
        let queue = Queue { bytes: VecDeque::new(), capacity: CAPACITY, ends: [0; 2], opened: [0; 2] };
        Ok(Arc::new(Pipe {
            queue: SpinLock::new(queue),
            changed: WaitQueue::new(),
            readable: PollQueue::new(),
            writable: PollQueue::new(),
        }))
    }

    /// Bytes came in.
    fn filled(&self) {
        self.changed.wake_all();
        self.readable.notify(READABLE);
    }

    /// Bytes went out.
    fn drained(&self) {
        self.changed.wake_all();
        self.writable.notify(WRITABLE);
        // Whoever has both ends open looks there.
        self.readable.notify(WRITABLE);
    }

    /// An end came or went, or the room changed.
    pub(super) fn ends_changed(&self) {
        self.changed.wake_all();
        self.readable.notify(0);
        self.writable.notify(0);
    }

    /// A reading end; `ino` where the pipe has no name.
    pub(super) fn reader(self: &Arc<Self>, ino: Option<u64>) -> Reader {
        let before = self.queue.lock().open(READERS);
        Reader { pipe: self.clone(), ino, before }
    }

    /// A writing end.
    pub(super) fn writer(self: &Arc<Self>, ino: Option<u64>) -> Writer {
        let before = self.queue.lock().open(WRITERS);
        Writer { pipe: self.clone(), ino, before }
    }

    /// Whether somebody reads.
    pub(super) fn has_readers(&self) -> bool {
        self.queue.lock().ends[READERS] > 0
    }

    /// Sleeps until somebody came to an end after it had been opened `before` times: they may have left again. `EINTR`.
    fn wait_for(&self, end: usize, before: u64) -> Result<()> {
        let came = || (self.queue.lock().opened[end] != before).then_some(());
        self.changed.wait_interruptible(Interruptible::Yes, came)
    }

    /// Its capacity, after setting it where `to` says so. `EINVAL`, `EBUSY` when it holds more.
    fn size(&self, to: Option<usize>) -> Result<usize> {
        match to {
            Some(size) => self.resize(size),
            None => Ok(self.queue.lock().capacity),
        }
    }

    fn resize(&self, size: usize) -> Result<usize> {
        let size = size.max(4096).checked_next_power_of_two().filter(|&size| size <= MAX_CAPACITY);
        let size = size.ok_or(Errno::EINVAL)?;
        let mut queue = self.queue.lock();
        if queue.bytes.len() > size {
            return Err(Errno::EBUSY);
        }
        queue.capacity = size;
        drop(queue);
        self.ends_changed();
        Ok(size)
    }

    fn ioctl(&self, call: &Ioctl<'_>) -> Result<usize> {
        match call.cmd {
            FIONREAD => {
                let there = self.queue.lock().bytes.len() as u32;
                user::write(call.arg, &there).map(|()| 0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// A new pipe's reading and writing end. `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(flags: u32) -> Result<(Arc<File>, Arc<File>)> {
    let pipe = Pipe::new()?;
    let inode = fifo::inode_of(DEV, 0o600, &pipe);
    let ino = Some(inode.ino());
    let reader = pipe.reader(ino);
    let writer = pipe.writer(ino);
    let reader = File::anonymous(inode.clone(), flags | O_RDONLY, Box::new(reader))?;
    let writer = File::anonymous(inode, flags | O_WRONLY, Box::new(writer))?;
    Ok((reader, writer))
}

/// Sleeps until `ready` is decided, or fails with `EAGAIN` where the file may not block, `EINTR` on a signal.
fn wait<T>(pipe: &Pipe, file: &File, mut ready: impl FnMut(&mut Queue) -> Option<Result<T>>) -> Result<T> {
    let mut look = || ready(&mut pipe.queue.lock());
    if file.flags() & O_NONBLOCK != 0 {
        return look().unwrap_or(Err(Errno::EAGAIN));
    }
    pipe.changed.wait_interruptible(Interruptible::Yes, look)?
}

/// The reading end.
pub(super) struct Reader {
    pipe: Arc<Pipe>,
    ino: Option<u64>,
    /// How many writers had come when it was opened: as long as there were no more, none has hung up.
    before: u64,
}

impl Reader {
    /// Sleeps until there is or was a writer. `EINTR`.
    pub(super) fn wait_for_writer(&self) -> Result<()> {
        self.pipe.wait_for(WRITERS, self.before)
    }
}

impl FileOps for Reader {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        let want = to.room();
        if want == 0 {
            return Ok(0);
        }
        let mut bounce = Bounce::for_len(want)?;
        let part = bounce.slice(want);
        let got = wait(&self.pipe, file, |queue| match queue.bytes.len() {
            0 if queue.ends[WRITERS] == 0 => Some(Ok(0)),
            0 => None,
            there => {
                let len = there.min(part.len());
                part.iter_mut().zip(queue.bytes.drain(..len)).for_each(|(to, byte)| *to = byte);
                Some(Ok(len))
            }
        })?;
        self.pipe.drained();
        to.put(&part[..got])?;
        Ok(got)
    }

    fn poll(&self, _: &File) -> Events {
        let queue = self.pipe.queue.lock();
        let data = if queue.bytes.is_empty() { 0 } else { READABLE };
        data | if queue.ends[WRITERS] == 0 && queue.opened[WRITERS] != self.before { POLLHUP } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.pipe.readable)
    }

    fn link_text(&self) -> Option<String> {
        self.ino.map(|ino| alloc::format!("pipe:[{ino}]"))
    }

    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        self.pipe.ioctl(call)
    }

    fn pipe_size(&self, to: Option<usize>) -> Result<usize> {
        self.pipe.size(to)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipe.queue.lock().ends[READERS] -= 1;
        self.pipe.ends_changed();
    }
}

/// The writing end.
pub(super) struct Writer {
    pipe: Arc<Pipe>,
    ino: Option<u64>,
    /// How many readers had come when it was opened.
    before: u64,
}

impl Writer {
    /// Sleeps until there is or was a reader. `EINTR`.
    pub(super) fn wait_for_reader(&self) -> Result<()> {
        self.pipe.wait_for(READERS, self.before)
    }
}

impl Writer {
    /// Puts some of `part` into the queue: all of it where that is little.
    fn put(&self, file: &File, part: &[u8]) -> Result<usize> {
        let need = if part.len() <= ATOMIC { part.len() } else { 1 };
        let put = wait(&self.pipe, file, |queue| {
            if queue.ends[READERS] == 0 {
                return Some(Err(Errno::EPIPE));
            }
            let room = queue.capacity - queue.bytes.len();
            if room < need {
                return None;
            }
            let len = room.min(part.len());
            let grows = queue.bytes.capacity() - queue.bytes.len() < len;
            if grows && (admit().is_err() || queue.bytes.try_reserve(len).is_err()) {
                return Some(Err(Errno::ENOMEM));
            }
            queue.bytes.extend(&part[..len]);
            Some(Ok(len))
        })?;
        self.pipe.filled();
        Ok(put)
    }
}

impl FileOps for Writer {
    fn write_at(&self, file: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        let mut bounce = Bounce::for_len(from.left())?;
        let mut done = 0;
        while from.left() > 0 {
            let part = bounce.slice(from.left());
            if let Err(e) = from.take(part) {
                return partial(done, Err(e)).map(|n| (n, 0));
            }
            let mut put = 0;
            while put < part.len() {
                match self.put(file, &part[put..]) {
                    Ok(n) => put += n,
                    Err(e) => {
                        if e == Errno::EPIPE {
                            signal::broken_pipe();
                        }
                        return partial(done + put, Err(e)).map(|n| (n, 0));
                    }
                }
            }
            done += put;
        }
        Ok((done, 0))
    }

    fn poll(&self, _: &File) -> Events {
        let queue = self.pipe.queue.lock();
        let room = if queue.capacity - queue.bytes.len() >= ATOMIC { WRITABLE } else { 0 };
        room | if queue.ends[READERS] == 0 { POLLERR } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.pipe.writable)
    }

    fn link_text(&self) -> Option<String> {
        self.ino.map(|ino| alloc::format!("pipe:[{ino}]"))
    }

    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        self.pipe.ioctl(call)
    }

    fn pipe_size(&self, to: Option<usize>) -> Result<usize> {
        self.pipe.size(to)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.pipe.queue.lock().ends[WRITERS] -= 1;
        self.pipe.ends_changed();
    }
}
