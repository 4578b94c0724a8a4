//! The console's device files.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{CdevOps, Errno, Result};

use super::frame::Channel;
use super::jobs::{self, SIGTTIN, SIGTTOU, SIGWINCH};
use super::termios::{DISABLED, ICANON, TOSTOP, Termios, VMIN, VSTART, VSTOP, VTIME};
use super::tty::{Reaction, Tty};
use super::{INPUT, OUTPUT, POLLED, TTY, emit, emit_text, react, take_more};
use crate::arch;
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
const TIOCOUTQ: u32 = 0x5411;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCNOTTY: u32 = 0x5422;
const TIOCGETD: u32 = 0x5424;
const TCSBRKP: u32 = 0x5425;
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
        let got = read(part, file.flags() & O_NONBLOCK != 0)?;
        to.put(&part[..got])?;
        Ok(got)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        if settings().local(TOSTOP) {
            jobs::hold_back(SIGTTOU)?;
        }
        let mut bounce = Bounce::for_len(from.left())?;
        let mut done = 0;
        while from.left() > 0 {
            let part = bounce.slice(from.left());
            if let Err(e) = self.wait_for_start(file).and_then(|()| from.take(part)) {
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
                jobs::hold_back(SIGTTOU)?;
                set(user::read(call.arg)?, call.cmd == TCSETSF);
            }
            // What is written has been sent when the call returns, and nobody sees a break.
            TCSBRK | TCSBRKP => jobs::hold_back(SIGTTOU)?,
            TCXONC => {
                jobs::hold_back(SIGTTOU)?;
                hold_line(call.arg)?;
            }
            TCFLSH => {
                jobs::hold_back(SIGTTOU)?;
                flush(call.arg)?;
            }
            TIOCSCTTY => jobs::take_terminal(call.arg == 1)?,
            TIOCNOTTY => jobs::give_up_terminal()?,
            TIOCGPGRP => user::write(call.arg, &jobs::foreground()?)?,
            TIOCSPGRP => jobs::set_foreground(user::read(call.arg)?)?,
            // Nothing waits to be sent, and there is one line discipline.
            TIOCOUTQ | TIOCGETD => user::write(call.arg, &0u32)?,
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
        let has_input = |tty: &Tty| tty.has_input(tty.least_to_poll());
        let input = matches!(self, Node::Terminal(_)) && has_input(&TTY.lock());
        WRITABLE | if input { READABLE } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        matches!(self, Node::Terminal(_)).then_some(&POLLED)
    }
}

/// Reads from the terminal, as its settings say how long to wait. `EAGAIN`, `EINTR`.
fn read(into: &mut [u8], nonblocking: bool) -> Result<usize> {
    let settings = settings();
    let keys = settings.c_cc;
    let tenths = u64::from(keys[VTIME]) * 100_000_000;
    // Without a least number the time counts from the start, else from each byte to the next.
    let (least, mut patience) = match (settings.local(ICANON), keys[VMIN]) {
        (true, _) => (0, None),
        (false, 0) => (1, Some(tenths)),
        (false, least) => (usize::from(least), None),
    };
    let from_byte_to_byte = !settings.local(ICANON) && keys[VMIN] > 0 && tenths > 0;
    let mut done = 0;
    loop {
        let taken = TTY.lock().take(&mut into[done..]);
        if let Some(taken) = taken {
            take_more();
            done += taken;
            if done >= least || done == into.len() {
                return Ok(done);
            }
            patience = if from_byte_to_byte { Some(tenths) } else { patience };
            continue;
        }
        let over = match patience {
            Some(0) => Ok(()),
            _ if nonblocking => Err(Errno::EAGAIN),
            patience => {
                let deadline = patience.map(|ns| arch::now_ns() + ns);
                let some = || TTY.lock().has_input(1).then_some(());
                match INPUT.wait_with(Interruptible::Yes, deadline, some) {
                    Ok(()) => continue,
                    Err(Errno::ETIMEDOUT) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        };
        return partial(done, over);
    }
}

impl Node {
    /// Sleeps while the terminal's output is stopped. `EAGAIN`, `EINTR`.
    fn wait_for_start(&self, file: &File) -> Result<()> {
        let stopped = || matches!(self, Node::Terminal(_)) && TTY.lock().is_stopped();
        if stopped() && file.flags() & O_NONBLOCK != 0 {
            return Err(Errno::EAGAIN);
        }
        OUTPUT.wait_interruptible(Interruptible::Yes, || (!stopped()).then_some(()))
    }

    fn put(&self, bytes: &[u8]) {
        if let Node::Terminal(_) = self {
            let mut tty = TTY.lock();
            let settings = tty.termios;
            tty.echo.follow(&settings, bytes);
        }
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
    let returns = termios.adds_returns();
    let reaction = tty.set(termios, &mut |echo| emit_text(Channel::Stdout, echo, returns));
    drop(tty);
    react(Reaction { wake: true, ..reaction });
    take_more();
}

/// `TCXONC`: stops or starts output, or whoever types. `EINVAL`.
fn hold_line(how: u64) -> Result<()> {
    const TCOOFF: u64 = 0;
    const TCOON: u64 = 1;
    const TCIOFF: u64 = 2;
    const TCION: u64 = 3;
    let settings = settings();
    let send = |key: usize| emit(Channel::Stdout, &[settings.c_cc[key]]);
    match how {
        TCOOFF => TTY.lock().stop(),
        TCOON => {
            let returns = settings.adds_returns();
            let reaction = TTY.lock().start(&mut |echo| emit_text(Channel::Stdout, echo, returns));
            react(reaction);
        }
        TCIOFF if settings.c_cc[VSTOP] != DISABLED => send(VSTOP),
        TCION if settings.c_cc[VSTART] != DISABLED => send(VSTART),
        TCIOFF | TCION => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// `TCFLSH`: forgets input. Output that was written has gone. `EINVAL`.
fn flush(which: u64) -> Result<()> {
    const TCIFLUSH: u64 = 0;
    const TCOFLUSH: u64 = 1;
    const TCIOFLUSH: u64 = 2;
    match which {
        TCIFLUSH | TCIOFLUSH => {
            TTY.lock().flush();
            take_more();
        }
        TCOFLUSH => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::ioctl as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        macro_rules! held {
            ($($name:ident),*) => { $(assert_eq!($name, linux::$name, stringify!($name));)* };
        }
        held!(
            TCGETS, TCSETS, TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TIOCGPGRP, TIOCSPGRP,
            TIOCOUTQ, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, TIOCNOTTY, TIOCGETD, TCSBRKP, TIOCGSID
        );
    }
}
