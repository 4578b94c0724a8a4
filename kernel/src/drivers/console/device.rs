//! The console's device files.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{CdevOps, Errno, Result};

use super::frame::Channel;
use super::jobs::{self, SIGTTIN, SIGTTOU, SIGWINCH};
use super::termios::{ICANON, TOSTOP, Termios};
use super::{INPUT, POLLED, TTY, emit, emit_text, wake_readers};
use crate::chrdev::CdevRef;
use crate::drivers::dma_heap::Kernel;
use crate::mm::user;
use crate::sync::wait::Interruptible;
use crate::vfs::file::{Events, File, FileOps, Ioctl, READABLE, WRITABLE};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::io::{Bounce, Sink, Source, partial};
use crate::vfs::poll::PollQueue;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCSBRK: u32 = 0x5409;
const TCXONC: u32 = 0x540a;
const TCFLSH: u32 = 0x540b;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCNOTTY: u32 = 0x5422;
const TIOCGSID: u32 = 0x5429;

/// A console device.
#[derive(Clone, Copy)]
pub enum Node {
    /// The terminal; what is written goes to the channel.
    Terminal(Channel),
    /// The terminal, for the processes it controls.
    Controlling,
    /// Machine-readable lines; nothing to read.
    Records,
}

impl CdevOps<Kernel> for Node {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(match self {
            Node::Controlling => {
                jobs::check_open()?;
                Node::Terminal(Channel::Stdout)
            }
            node => *node,
        }))
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
        jobs::hold_back(SIGTTIN)?;
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
        if settings().local(TOSTOP) {
            jobs::hold_back(SIGTTOU)?;
        }
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
            TCSETS | TCSETSW | TCSETSF => {
                let termios = user::read(call.arg)?;
                jobs::hold_back(SIGTTOU)?;
                set(termios, call.cmd == TCSETSF);
            }
            // What is written has been sent when the call returns, and nothing holds the line up.
            TCSBRK | TCXONC => {}
            TCFLSH if call.arg > 2 => return Err(Errno::EINVAL),
            TCFLSH if call.arg == 1 => {}
            TCFLSH => TTY.lock().flush(),
            TIOCSCTTY => jobs::take_terminal()?,
            TIOCNOTTY => jobs::give_up_terminal()?,
            TIOCGPGRP => user::write(call.arg, &jobs::foreground()?)?,
            TIOCSPGRP => jobs::set_foreground(user::read(call.arg)?)?,
            TIOCGSID => user::write(call.arg, &jobs::session()?)?,
            TIOCGWINSZ => {
                let window = TTY.lock().window;
                user::write(call.arg, &window)?;
            }
            TIOCSWINSZ => resize(user::read(call.arg)?),
            FIONREAD => {
                let available = TTY.lock().available() as u32;
                user::write(call.arg, &available)?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn poll(&self, _: &File) -> Events {
        let input = matches!(self, Node::Terminal(_)) && TTY.lock().has_input();
        WRITABLE | if input { READABLE } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        matches!(self, Node::Terminal(_)).then_some(&POLLED)
    }
}

impl Node {
    fn put(&self, bytes: &[u8]) {
        match self {
            Node::Records => emit(Channel::Records, bytes),
            Node::Terminal(channel) => emit_text(*channel, bytes, settings().adds_returns()),
            Node::Controlling => emit_text(Channel::Stdout, bytes, settings().adds_returns()),
        }
    }
}

fn settings() -> Termios {
    TTY.lock().termios
}

fn resize(window: [u16; 4]) {
    let before = core::mem::replace(&mut TTY.lock().window, window);
    if before != window {
        jobs::post(SIGWINCH);
        jobs::send_posted();
    }
}

fn set(termios: Termios, flush: bool) {
    let mut tty = TTY.lock();
    if flush {
        tty.flush();
    }
    let leaves_lines = tty.termios.local(ICANON) && !termios.local(ICANON);
    tty.set(termios);
    drop(tty);
    if leaves_lines {
        wake_readers();
    }
}
