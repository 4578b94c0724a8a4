//! Where bytes of a read go and bytes of a write come from: user memory or a kernel buffer.
//!
//! User memory may fault and sleep, so it is only reached between locks: operations carry bytes over in a
//! bounded [`Bounce`] buffer.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, PAGE_SIZE, Result};

use crate::mm::user;

/// Takes the bytes of a read.
pub trait Sink {
    /// How many bytes more it wants.
    fn room(&self) -> usize;

    /// Takes all of `bytes`, which are at most [`room`](Sink::room). `EFAULT` when user memory ends early; what it took
    /// until then is not room any more.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Gives the bytes of a write.
pub trait Source {
    /// How many bytes it still has.
    fn left(&self) -> usize;

    /// Fills `into`, which is at most [`left`](Source::left). `EFAULT` when user memory ends early; what it gave until
    /// then is not left any more.
    fn take(&mut self, into: &mut [u8]) -> Result<()>;
}

/// One range of user memory, both ways.
#[derive(Clone, Copy, Debug)]
pub struct UserBuf {
    addr: u64,
    len: usize,
}

impl UserBuf {
    /// `len` bytes at user address `addr`; nothing is checked yet.
    pub fn new(addr: u64, len: usize) -> UserBuf {
        UserBuf { addr, len }
    }

    fn advance(&mut self, by: usize) {
        self.addr = self.addr.wrapping_add(by as u64);
        self.len -= by;
    }

    /// How many of `len` bytes are on the page the next one is on.
    fn on_page(&self, len: usize) -> usize {
        len.min(PAGE_SIZE - (self.addr % PAGE_SIZE as u64) as usize)
    }
}

impl Sink for UserBuf {
    fn room(&self) -> usize {
        self.len
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if user::write_bytes(self.addr, bytes).is_ok() {
            self.advance(bytes.len());
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.on_page(rest.len()));
            user::write_bytes(self.addr, now)?;
            self.advance(now.len());
            rest = later;
        }
        Ok(())
    }
}

impl Source for UserBuf {
    fn left(&self) -> usize {
        self.len
    }

    fn take(&mut self, into: &mut [u8]) -> Result<()> {
        if user::read_bytes(self.addr, into).is_ok() {
            self.advance(into.len());
            return Ok(());
        }
        let mut rest = into;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(self.on_page(rest.len()));
            user::read_bytes(self.addr, now)?;
            self.advance(now.len());
            rest = later;
        }
        Ok(())
    }
}

/// Several ranges of user memory in turn, as `readv` and `writev` name them.
pub struct UserVec {
    parts: Vec<UserBuf>,
    at: usize,
}

impl UserVec {
    /// The ranges in order.
    pub fn new(parts: Vec<UserBuf>) -> UserVec {
        UserVec { parts, at: 0 }
    }

    fn total(&self) -> usize {
        self.parts[self.at..].iter().map(|p| p.len).sum()
    }

    /// The range the next byte belongs to.
    fn part(&mut self) -> &mut UserBuf {
        while self.parts[self.at].len == 0 {
            self.at += 1;
        }
        &mut self.parts[self.at]
    }
}

impl Sink for UserVec {
    fn room(&self) -> usize {
        self.total()
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let part = self.part();
            let (now, rest) = bytes.split_at(bytes.len().min(part.len));
            part.put(now)?;
            bytes = rest;
        }
        Ok(())
    }
}

impl Source for UserVec {
    fn left(&self) -> usize {
        self.total()
    }

    fn take(&mut self, mut into: &mut [u8]) -> Result<()> {
        while !into.is_empty() {
            let part = self.part();
            let (now, rest) = into.split_at_mut(into.len().min(part.len));
            part.take(now)?;
            into = rest;
        }
        Ok(())
    }
}

/// A kernel buffer being filled.
pub struct KernelSink<'a>(&'a mut [u8], usize);

impl<'a> KernelSink<'a> {
    /// Fills `buf` from its start.
    pub fn new(buf: &'a mut [u8]) -> Self {
        KernelSink(buf, 0)
    }
}

impl Sink for KernelSink<'_> {
    fn room(&self) -> usize {
        self.0.len() - self.1
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0[self.1..self.1 + bytes.len()].copy_from_slice(bytes);
        self.1 += bytes.len();
        Ok(())
    }
}

impl Source for &[u8] {
    fn left(&self) -> usize {
        self.len()
    }

    fn take(&mut self, into: &mut [u8]) -> Result<()> {
        let (now, rest) = self.split_at(into.len());
        into.copy_from_slice(now);
        *self = rest;
        Ok(())
    }
}

/// Most bytes carried over at once; longer transfers go in turns.
const BOUNCE_MAX: usize = 16 * 1024;
const BOUNCE_SMALL: usize = 256;

/// A bounded kernel buffer for one transfer: small ones on the stack, larger ones on the heap.
pub struct Bounce {
    small: [u8; BOUNCE_SMALL],
    large: Vec<u8>,
}

impl Bounce {
    /// A buffer fit for a transfer of `len` bytes. `ENOMEM`.
    pub fn for_len(len: usize) -> Result<Bounce> {
        let mut large = Vec::new();
        if len > BOUNCE_SMALL {
            let size = len.min(BOUNCE_MAX);
            large.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
            large.resize(size, 0);
        }
        Ok(Bounce { small: [0; BOUNCE_SMALL], large })
    }

    /// The buffer, at most `want` bytes of it.
    pub fn slice(&mut self, want: usize) -> &mut [u8] {
        let all = if self.large.is_empty() { &mut self.small[..] } else { &mut self.large[..] };
        let len = all.len().min(want);
        &mut all[..len]
    }
}

/// Hands `text[pos..]` to `to`, as far as there is room; returns how much.
pub fn put_slice(to: &mut dyn Sink, text: &[u8], pos: u64) -> Result<usize> {
    let start = usize::try_from(pos).map_or(text.len(), |p| p.min(text.len()));
    let len = (text.len() - start).min(to.room());
    to.put(&text[start..start + len])?;
    Ok(len)
}

/// Takes all of `from`, at most `max` bytes of it. `EINVAL` when there is more, `ENOMEM`.
pub fn take_all(from: &mut dyn Source, max: usize) -> Result<Vec<u8>> {
    let len = from.left();
    if len > max {
        return Err(Errno::EINVAL);
    }
    let mut text = Vec::new();
    text.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    text.resize(len, 0);
    from.take(&mut text)?;
    Ok(text)
}

/// What a transfer that stopped with `outcome` after `done` bytes returns: an error counts only when nothing
/// was carried over before it.
pub fn partial(done: usize, outcome: Result<()>) -> Result<usize> {
    match outcome {
        Err(e) if done == 0 => Err(e),
        _ => Ok(done),
    }
}
