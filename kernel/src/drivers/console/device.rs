//! The console's device files.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use heaps::{CdevOps, Errno, Result};

use super::frame::Channel;
use super::termios::{ICANON, ONLCR, OPOST, Termios};
use super::{FOREGROUND, INPUT, TTY, emit, wake_readers};
use crate::chrdev::CdevRef;
use crate::drivers::dma_heap::Kernel;
use crate::mm::user;
use crate::sync::wait::Interruptible;
use crate::vfs::file::{Events, File, FileOps, Ioctl, POLLIN, POLLOUT};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::io::{Bounce, Sink, Source, partial};

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCGWINSZ: u32 = 0x5413;
/// Rows, columns, and a size in pixels that nobody knows.
const WINDOW: [u16; 4] = [24, 80, 0, 0];

/// A console device.
#[derive(Clone, Copy)]
pub enum Node {
    /// The terminal; what is written goes to the channel.
    Terminal(Channel),
    /// Machine-readable lines; nothing to read.
    Records,
}

impl CdevOps<Kernel> for Node {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(*self))
    }
}

impl FileOps for Node {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        let Node::Terminal(_) = self else { return Err(Errno::EINVAL) };
        let mut bounce = Bounce::for_len(to.room())?;
        let part = bounce.slice(to.room());
        if part.is_empty() {
            return Ok(0);
        }
        let mut take = || TTY.lock().take(part);
        let got = if file.flags() & O_NONBLOCK != 0 {
            take().ok_or(Errno::EAGAIN)?
        } else {
            INPUT.wait_interruptible(Interruptible::Yes, take)?
        };
        to.put(&part[..got])?;
        Ok(got)
    }

    fn write_at(&self, _: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        let mut bounce = Bounce::for_len(from.left())?;
        let mut done = 0;
        while from.left() > 0 {
            let part = bounce.slice(from.left());
            if let Err(e) = from.take(part) {
                return partial(done, Err(e)).map(|n| (n, 0));
            }
            self.put(part);
            done += part.len();
        }
        Ok((done, 0))
    }

    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        let Node::Terminal(_) = self else { return Err(Errno::ENOTTY) };
        match call.cmd {
            TCGETS => user::write(call.arg, &settings())?,
            TCSETS | TCSETSW | TCSETSF => set(user::read(call.arg)?, call.cmd == TCSETSF),
            TIOCGWINSZ => user::write(call.arg, &WINDOW)?,
            TIOCSCTTY => {}
            TIOCGPGRP => user::write(call.arg, &FOREGROUND.load(Ordering::Relaxed))?,
            TIOCSPGRP => FOREGROUND.store(user::read(call.arg)?, Ordering::Relaxed),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn poll(&self, _: &File) -> Events {
        let input = matches!(self, Node::Terminal(_)) && TTY.lock().has_input();
        POLLOUT | if input { POLLIN } else { 0 }
    }
}

impl Node {
    fn put(&self, bytes: &[u8]) {
        match self {
            Node::Records => emit(Channel::Records, bytes),
            Node::Terminal(channel) if !adds_returns() => emit(*channel, bytes),
            Node::Terminal(channel) => {
                for line in bytes.split_inclusive(|&b| b == b'\n') {
                    let text = line.strip_suffix(b"\n").unwrap_or(line);
                    emit(*channel, text);
                    if text.len() < line.len() {
                        emit(*channel, b"\r\n");
                    }
                }
            }
        }
    }
}

fn settings() -> Termios {
    TTY.lock().termios
}

fn adds_returns() -> bool {
    settings().c_oflag & (OPOST | ONLCR) == OPOST | ONLCR
}

fn set(termios: Termios, flush: bool) {
    let mut tty = TTY.lock();
    if flush {
        tty.flush();
    }
    let leaves_lines = tty.termios.local(ICANON) && !termios.local(ICANON);
    tty.termios = termios;
    drop(tty);
    if leaves_lines {
        wake_readers();
    }
}
