//! The console: `/dev/console` and `/dev/tty`, `/dev/console_err`, `/dev/lab_records`, and the kernel log's way out.
//!
//! * [`frame`]: several channels on one wire
//! * [`tty`]: lines from keys
//! * [`termios`]: the terminal's settings as user space sees them
//!
//! Everything leaves through [`emit`], under one lock with interrupts masked; everything arrives at [`receive`],
//! from the receiver's interrupt. Models `drivers/tty/n_tty.c` in small.
#![forbid(unsafe_code)]

mod device;
mod frame;
mod termios;
#[cfg(test)]
mod tests;
mod tty;

use core::sync::atomic::{AtomicI32, Ordering};

use heaps::Result;
use spin::Once;

use crate::chrdev::{self, DevT};
use crate::sync::{IrqLock, WaitQueue, order};
use device::Node;
pub use frame::Channel;
use frame::Framer;
use tty::Tty;

/// The transmitter.
pub trait ConsoleOut: Sync {
    /// Sends `bytes`. Called with the console's lock held and interrupts masked: neither locks nor sleeps.
    fn put(&self, bytes: &[u8]);
}

/// Most bytes sent with interrupts masked at once.
const CHUNK: usize = 256;

static OUT: Once<&'static dyn ConsoleOut> = Once::new();
static FRAMER: IrqLock<Framer, { order::UART }> = IrqLock::new(Framer::new());
static TTY: IrqLock<Tty, { order::UART }> = IrqLock::new(Tty::new());
static INPUT: WaitQueue = WaitQueue::new();
static ON_SIGNAL: Once<fn(pgrp: i32, signal: i32)> = Once::new();
static FOREGROUND: AtomicI32 = AtomicI32::new(0);

/// Says where bytes go. With `framed`, channels are told apart on the wire.
pub fn set_output(out: &'static dyn ConsoleOut, framed: bool) {
    OUT.call_once(|| out);
    FRAMER.lock().set_framed(framed);
}

/// Says what an interrupt key does to the foreground process group; called from the receiver's interrupt.
pub fn on_signal(send: fn(pgrp: i32, signal: i32)) {
    ON_SIGNAL.call_once(|| send);
}

/// Publishes the devices. `EBUSY`, `EEXIST`, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("console", DevT::new(5, 1), 0o600, &Node::Terminal(Channel::Stdout))?;
    chrdev::register("tty", DevT::new(5, 0), 0o666, &Node::Terminal(Channel::Stdout))?;
    chrdev::register("console_err", DevT::new(240, 0), 0o600, &Node::Terminal(Channel::Stderr))?;
    chrdev::register("lab_records", DevT::new(240, 1), 0o600, &Node::Records)
}

/// Sends bytes on a channel; bytes sent before [`set_output`] are lost. From any context that does not hold the
/// console's lock.
pub fn emit(channel: Channel, bytes: &[u8]) {
    let Some(out) = OUT.get() else { return };
    for part in bytes.chunks(CHUNK) {
        FRAMER.lock().send(channel, part, &mut |bytes| out.put(bytes));
    }
}

/// Takes a byte from the wire. From the receiver's interrupt.
pub fn receive(byte: u8) {
    let reaction = TTY.lock().key(byte);
    emit(Channel::Stdout, &reaction.echo);
    if let (Some(signal), Some(send)) = (reaction.signal, ON_SIGNAL.get()) {
        send(FOREGROUND.load(Ordering::Relaxed), signal);
    }
    if reaction.wake {
        INPUT.wake_all();
    }
}
