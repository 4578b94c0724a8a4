//! Pipes: a bounded queue of bytes between two open files. Models `fs/pipe.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::file::{Events, File, FileOps, POLLERR, POLLHUP, READABLE, WRITABLE};
use super::flags::{O_NONBLOCK, O_RDONLY, O_WRONLY};
use super::inode::{Content, Inode, S_IFIFO};
use super::io::{Bounce, Sink, Source, partial};
use super::poll::PollQueue;
use crate::mm::admit::admit;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};

/// How many bytes a pipe holds.
const CAPACITY: usize = 65536;
/// Writes of at most this many bytes are not mixed with others.
const ATOMIC: usize = 4096;
const DEV: u32 = 8;

struct Queue {
    bytes: VecDeque<u8>,
    readers: usize,
    writers: usize,
}

struct Pipe {
    queue: SpinLock<Queue, { order::PIPE }>,
    changed: WaitQueue,
    readable: PollQueue,
    writable: PollQueue,
}

impl Pipe {
    /// Bytes came in.
    fn filled(&self) {
        self.changed.wake_all();
        self.readable.notify(READABLE);
    }

    /// Bytes went out.
    fn drained(&self) {
        self.changed.wake_all();
        self.writable.notify(WRITABLE);
    }

    /// An end is gone.
    fn lost_end(&self) {
        self.changed.wake_all();
        self.readable.notify(0);
        self.writable.notify(0);
    }
}

/// A new pipe's reading and writing end. `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(flags: u32) -> Result<(Arc<File>, Arc<File>)> {
    admit()?;
    let queue = Queue { bytes: VecDeque::new(), readers: 1, writers: 1 };
    let pipe = Arc::new(Pipe {
        queue: SpinLock::new(queue),
        changed: WaitQueue::new(),
        readable: PollQueue::new(),
        writable: PollQueue::new(),
    });
    let inode = Arc::new(Inode::new(DEV, S_IFIFO | 0o600, Content::Anonymous));
    let ino = inode.ino();
    let reader = Reader { pipe: pipe.clone(), ino };
    let writer = Writer { pipe, ino };
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

struct Reader {
    pipe: Arc<Pipe>,
    ino: u64,
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
            0 if queue.writers == 0 => Some(Ok(0)),
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
        data | if queue.writers == 0 { POLLHUP } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.pipe.readable)
    }

    fn link_text(&self) -> Option<String> {
        Some(alloc::format!("pipe:[{}]", self.ino))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipe.queue.lock().readers -= 1;
        self.pipe.lost_end();
    }
}

struct Writer {
    pipe: Arc<Pipe>,
    ino: u64,
}

impl Writer {
    /// Puts some of `part` into the queue: all of it where that is little.
    fn put(&self, file: &File, part: &[u8]) -> Result<usize> {
        let need = if part.len() <= ATOMIC { part.len() } else { 1 };
        let put = wait(&self.pipe, file, |queue| {
            if queue.readers == 0 {
                return Some(Err(Errno::EPIPE));
            }
            let room = CAPACITY - queue.bytes.len();
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
                    Err(e) => return partial(done + put, Err(e)).map(|n| (n, 0)),
                }
            }
            done += put;
        }
        Ok((done, 0))
    }

    fn poll(&self, _: &File) -> Events {
        let queue = self.pipe.queue.lock();
        let room = if CAPACITY - queue.bytes.len() >= ATOMIC { WRITABLE } else { 0 };
        room | if queue.readers == 0 { POLLERR } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.pipe.writable)
    }

    fn link_text(&self) -> Option<String> {
        Some(alloc::format!("pipe:[{}]", self.ino))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.pipe.queue.lock().writers -= 1;
        self.pipe.lost_end();
    }
}
