//! The kernel log, kept for those who read it later: `dmesg`, `/dev/kmsg`, `/proc/kmsg` (Linux: `kernel/printk`).
//!
//! * `ring`: records one after the other, the oldest making room for the newest
//! * `text`: a record as each of its readers wants it
//! * [`common`]: the reader that syslog(2) and `/proc/kmsg` share
//!
//! A record may be written in any context, whatever is locked; so whoever waits for one is only woken where a CPU is
//! about to return to user space or has nothing to do.
#![forbid(unsafe_code)]

pub mod common;
mod ring;
mod text;

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use heaps::Result;

use crate::drivers::console;
use crate::sync::wait::Interruptible;
use crate::sync::{IrqLock, WaitQueue, order};
use crate::vfs::file::READABLE;
use crate::vfs::poll::PollQueue;
use crate::{arch, sched};

pub use ring::{Cursor, Record, TEXT_MAX};
use ring::{Header, Ring};
pub use text::{Line, extended, plain};

/// Bytes of records that are kept (Linux: `CONFIG_LOG_BUF_SHIFT` 17).
pub const SIZE: usize = 1 << 17;
/// A priority's severity; the rest is the facility.
const SEVERITY: u16 = 7;
/// An error condition: how the kernel's reports are recorded.
pub const ERROR: u16 = 3;
/// The severity below which messages go to the console, unless told otherwise.
pub const DEFAULT_CONSOLE_LEVEL: u32 = 7;

static RING: IrqLock<Ring<SIZE>, { order::LOG }> = IrqLock::new(Ring::new());
static CONSOLE_LEVEL: AtomicU32 = AtomicU32::new(DEFAULT_CONSOLE_LEVEL);
static READERS: WaitQueue = WaitQueue::new();
/// Those who poll for records.
pub static POLLED: PollQueue = PollQueue::new();
static POSTED: AtomicBool = AtomicBool::new(false);

/// Logs a message: keeps it, and shows it on the console with its time where it is severe enough. From any context.
pub fn log(priority: u16, message: &[u8]) {
    let ns = arch::now_ns();
    record(priority, ns, message);
    if u32::from(priority & SEVERITY) < CONSOLE_LEVEL.load(Ordering::Relaxed) {
        console::log_line(&text::time(ns), message);
    }
}

/// Keeps a message that goes to the console otherwise. From any context.
pub fn record(priority: u16, ns: u64, message: &[u8]) {
    let message = &message[..message.len().min(TEXT_MAX)];
    let header = Header { priority, ns };
    if console::is_broken() {
        // Whoever holds the lock may never release it: the machine is going down.
        let Some(mut ring) = RING.try_lock() else { return };
        ring.push(header, message);
    } else {
        RING.lock().push(header, message);
    }
    POSTED.store(true, Ordering::Release);
    sched::note_posted();
}

/// Wakes those who wait for a record, if there is one. Called with no lock held.
#[inline]
pub fn wake_readers() {
    if POSTED.load(Ordering::Relaxed) && POSTED.swap(false, Ordering::Acquire) {
        READERS.wake_all();
        POLLED.notify(READABLE);
    }
}

/// Sleeps until there is a record at or after `cursor`. `EINTR`.
pub fn wait(cursor: &Cursor) -> Result<()> {
    READERS.wait_interruptible(Interruptible::Yes, || has(cursor).then_some(()))
}

/// Whether there is a record at or after `cursor`.
pub fn has(cursor: &Cursor) -> bool {
    RING.lock().has(cursor)
}

/// Whether the record at `cursor` had to make room.
pub fn is_lost(cursor: &Cursor) -> bool {
    RING.lock().is_lost(cursor)
}

/// The record at `cursor`, or the oldest after it; `cursor` moves past it. `None` when there is none yet.
pub fn next(cursor: &mut Cursor) -> Option<Record> {
    RING.lock().next(cursor)
}

/// Before the oldest record.
pub fn first() -> Cursor {
    RING.lock().first()
}

/// Behind the newest.
pub fn end() -> Cursor {
    RING.lock().end()
}

/// Lets messages less severe than `level` stay off the console; returns what was there before.
pub fn set_console_level(level: u32) -> u32 {
    CONSOLE_LEVEL.swap(level, Ordering::Relaxed)
}

/// What `<N>` at a message's start makes of it: its priority, and the message without it. Without one it is a user's
/// warning, and a user's in any case.
pub fn parse_priority(message: &[u8]) -> (u16, &[u8]) {
    const USER: u16 = 1 << 3;
    const DEFAULT: u16 = USER | 4;
    let parsed = || {
        let rest = message.strip_prefix(b"<")?;
        let end = rest.iter().position(|&b| b == b'>').filter(|&end| end > 0 && end < 10)?;
        let number: u32 = core::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        let facility = if (number >> 3) as u8 == 0 { USER } else { u16::from((number >> 3) as u8) << 3 };
        Some((facility | number as u16 & SEVERITY, &rest[end + 1..]))
    };
    parsed().unwrap_or((DEFAULT, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_those_of_users() {
        assert_eq!(parse_priority(b"plain"), (12, &b"plain"[..]));
        assert_eq!(parse_priority(b"<3>bad"), (11, &b"bad"[..]));
        assert_eq!(parse_priority(b"<30>daemon"), (30, &b"daemon"[..]));
        for none in [&b"<>x"[..], b"<x>y", b"<3", b"<-1>z"] {
            assert_eq!(parse_priority(none), (12, none));
        }
    }

    #[test]
    fn what_is_logged_can_be_read() {
        let mut cursor = end();
        log(6, b"one of many");
        let found = core::iter::from_fn(|| next(&mut cursor)).any(|r| &r.text[..] == b"one of many");
        assert!(found);
    }
}
