//! The console: `/dev/console` and `/dev/tty`, `/dev/console_err`, `/dev/lab_records`, and the kernel log's way out.
//!
//! * `frame`: several channels on one wire
//! * `tty`, `echo`: lines from keys, and what is shown of them
//! * `jobs`: whose terminal it is, and the signals that keys send
//! * `termios`: the terminal's settings as user space sees them
//!
//! Everything leaves through [`emit`], under one lock with interrupts masked; everything arrives at [`input`],
//! from the receiver's interrupt. Models `drivers/tty/n_tty.c` in small.
#![forbid(unsafe_code)]

mod device;
mod echo;
mod frame;
mod jobs;
mod termios;
#[cfg(test)]
pub mod tests;
mod tty;

use core::sync::atomic::{AtomicBool, Ordering};

use heaps::Result;
use spin::Once;

use crate::chrdev::{self, DevT};
use crate::sync::{IrqLock, WaitQueue, order};
use crate::vfs::file::READABLE;
use crate::vfs::poll::PollQueue;
use device::Node;
pub use frame::Channel;
use frame::{Framer, Incoming, Unframer};
use jobs::SIGWINCH;
pub use jobs::{Caller, Jobs, leader_left, send_posted, set_jobs, terminal_of};
use termios::{IXOFF, VSTART, VSTOP};
use tty::{Reaction, Tty};

/// The line to whoever is at the console. Called with the console's locks held and interrupts masked: neither locks
/// nor sleeps.
pub trait Wire: Sync {
    /// Sends `bytes`.
    fn put(&self, bytes: &[u8]);

    /// Takes one received byte, if there is one.
    fn take(&self) -> Option<u8>;
}

/// The terminal's device number.
const CONSOLE: DevT = DevT::new(5, 1);
/// Most bytes sent with interrupts masked at once.
const CHUNK: usize = 256;

static WIRE: Once<&'static dyn Wire> = Once::new();
static FRAMER: IrqLock<Framer, { order::UART }> = IrqLock::new(Framer::switched_anew(false));
/// Held over each byte that comes in, so that bytes stay in order whichever CPU takes them.
static RECEIVER: IrqLock<Unframer, { order::RECEIVER }> = IrqLock::new(Unframer::new(false));
static TTY: IrqLock<Tty, { order::TTY }> = IrqLock::new(Tty::new());
static INPUT: WaitQueue = WaitQueue::new();
static OUTPUT: WaitQueue = WaitQueue::new();
static POLLED: PollQueue = PollQueue::new();
static FRAMED: AtomicBool = AtomicBool::new(false);
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Says where bytes come from and go. With `framed`, channels are told apart on the wire.
pub fn set_wire(wire: &'static dyn Wire, framed: bool) {
    FRAMED.store(framed, Ordering::Relaxed);
    *FRAMER.lock() = Framer::switched_anew(framed);
    *RECEIVER.lock() = Unframer::new(framed);
    WIRE.call_once(|| wire);
}

/// Leaves the echo to whoever types: their own terminal shows what they do.
pub fn disable_echo() {
    TTY.lock().termios.c_lflag &= !termios::ECHO;
}

/// Publishes the devices. `EBUSY`, `EEXIST`, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("console", CONSOLE, 0o600, &Node::Terminal(Channel::Stdout))?;
    chrdev::register("tty", DevT::new(5, 0), 0o666, &Node::Controlling)?;
    chrdev::register("console_err", DevT::new(240, 0), 0o600, &Node::Terminal(Channel::Stderr))?;
    chrdev::register("lab_records", DevT::new(240, 1), 0o600, &Node::Records)
}

/// Sends bytes on a channel; bytes sent before [`set_wire`] are lost. From any context that does not hold the
/// console's lock.
pub fn emit(channel: Channel, bytes: &[u8]) {
    for part in bytes.chunks(CHUNK) {
        emit_together(channel, &[part]);
    }
}

/// Sends bytes on a channel, with a carriage return before each newline where the terminal adds them.
fn emit_text(channel: Channel, bytes: &[u8], adds_returns: bool) {
    if !adds_returns {
        return emit(channel, bytes);
    }
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        emit(channel, text);
        if text.len() < line.len() {
            emit(channel, b"\r\n");
        }
    }
}

/// Sends a line of the kernel log, its time first. From any context that does not hold the console's lock.
pub fn log_line(time: &[u8], text: &[u8]) {
    emit_together(Channel::Kernel, &[time, text, b"\n"]);
}

/// Whether locks may be held for ever by now; see [`break_lock`].
pub fn is_broken() -> bool {
    BROKEN.load(Ordering::Relaxed)
}

/// Lets output go on although whoever holds the console's lock may never release it: the machine is going down.
pub fn break_lock() {
    BROKEN.store(true, Ordering::Relaxed);
}

fn emit_together(channel: Channel, parts: &[&[u8]]) {
    let Some(wire) = WIRE.get() else { return };
    let send = |framer: &mut Framer| {
        parts.iter().for_each(|part| framer.send(channel, part, &mut |bytes| wire.put(bytes)));
    };
    if !is_broken() {
        send(&mut FRAMER.lock());
    } else if let Some(mut framer) = FRAMER.try_lock() {
        send(&mut framer);
    } else {
        send(&mut Framer::switched_anew(FRAMED.load(Ordering::Relaxed)));
    }
}

/// Takes what has come on the wire, as far as there is room; the rest waits there. From the receiver's interrupt, and
/// where room was made.
pub fn input() {
    let Some(wire) = WIRE.get() else { return };
    while let Some(reaction) = receive(*wire) {
        react(reaction);
    }
}

/// Takes a byte. `None` when there is none, or no room.
fn receive(wire: &dyn Wire) -> Option<Reaction> {
    let mut receiver = RECEIVER.lock();
    let mut tty = TTY.lock();
    if !tty.has_room() {
        if tty.throttle() && tty.termios.input(IXOFF) {
            emit(Channel::Stdout, &[tty.termios.c_cc[VSTOP]]);
        }
        return None;
    }
    let reaction = match receiver.take(wire.take()?) {
        None => Reaction::default(),
        Some(Incoming::Key(byte)) => {
            let returns = tty.termios.adds_returns();
            tty.key(byte, &mut |echo| emit_text(Channel::Stdout, echo, returns))
        }
        Some(Incoming::Window(rows, columns)) => {
            let window = [rows, columns, 0, 0];
            let changed = core::mem::replace(&mut tty.window, window) != window;
            Reaction { signal: changed.then_some(SIGWINCH), ..Reaction::default() }
        }
    };
    Some(reaction)
}

/// Does what a key asks for. Called with no lock held.
fn react(reaction: Reaction) {
    if let Some(signal) = reaction.signal {
        jobs::post(signal);
        crate::sched::note_posted();
    }
    if reaction.started {
        OUTPUT.wake_all();
    }
    if reaction.wake {
        wake_readers();
    }
}

/// Somebody has read: there may be room for what waits on the wire.
fn take_more() {
    let mut tty = TTY.lock();
    let resumes = tty.unthrottle();
    if resumes && tty.termios.input(IXOFF) {
        emit(Channel::Stdout, &[tty.termios.c_cc[VSTART]]);
    }
    drop(tty);
    if resumes {
        input();
    }
}

/// There may be something to read now.
fn wake_readers() {
    INPUT.wake_all();
    POLLED.notify(READABLE);
}
