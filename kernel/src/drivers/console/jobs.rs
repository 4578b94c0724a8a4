//! Whose terminal it is: the session that has it, its foreground group, and the signals that keys send (Linux:
//! `drivers/tty/tty_jobctrl.c`).
//!
//! Keys come in an interrupt, which may take no lock of the process tree. So a signal is posted there, and sent where
//! a CPU is about to return to user space or has nothing to do.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heaps::{Errno, Result};
use spin::Once;

/// The terminal is gone.
const SIGHUP: u32 = 1;
/// Go on after a stop.
const SIGCONT: u32 = 18;
/// Read by a background group.
pub const SIGTTIN: u32 = 21;
/// Change by a background group.
pub const SIGTTOU: u32 = 22;
/// The window's size has changed.
pub const SIGWINCH: u32 = 28;

/// A process that uses the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its number.
    pub pid: u32,
    /// Its process group.
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// It has given the session's terminal up.
    pub gave_up: bool,
}

/// What the process layer knows of sessions. No function is called with a lock held.
pub trait Jobs: Sync {
    /// The calling process; `None` in a kernel task.
    fn caller(&self) -> Option<Caller>;

    /// Whether the caller blocks or ignores a signal.
    fn caller_refuses(&self, signal: u32) -> bool;

    /// The session that a process group is in, if there is such a group.
    fn session_of(&self, pgid: u32) -> Option<u32>;

    /// Whether nobody in the session looks after a group.
    fn is_orphaned(&self, pgid: u32) -> bool;

    /// Sends a signal to all of a group.
    fn send(&self, pgid: u32, signal: u32);

    /// The caller gives its session's terminal up.
    fn give_up(&self);
}

static JOBS: Once<&'static dyn Jobs> = Once::new();
/// The session that has the terminal; 0 for none.
static SESSION: AtomicU32 = AtomicU32::new(0);
static FOREGROUND: AtomicU32 = AtomicU32::new(0);
/// Signals for the foreground group, one bit each.
static POSTED: AtomicU64 = AtomicU64::new(0);

/// Says who knows the processes. Called once, at boot.
pub fn set_jobs(jobs: &'static dyn Jobs) {
    JOBS.call_once(|| jobs);
}

/// Notes a signal for the foreground group, for [`send_posted`]. From any context.
pub fn post(signal: u32) {
    POSTED.fetch_or(1 << signal, Ordering::Release);
}

/// Sends the signals that were posted. Called with no lock held; does not sleep.
#[inline]
pub fn send_posted() {
    if POSTED.load(Ordering::Relaxed) != 0 {
        send_all(POSTED.swap(0, Ordering::Acquire));
    }
}

#[cold]
fn send_all(posted: u64) {
    let (Some(jobs), group @ 1..) = (JOBS.get(), FOREGROUND.load(Ordering::Relaxed)) else { return };
    (1..64).filter(|signal| posted >> signal & 1 != 0).for_each(|signal| jobs.send(group, signal));
}

/// The calling process, if this is its controlling terminal. `ENOTTY`.
fn owner() -> Result<Caller> {
    let caller = JOBS.get().and_then(|jobs| jobs.caller());
    let owns = |caller: &Caller| caller.sid == SESSION.load(Ordering::Relaxed) && !caller.gave_up;
    caller.filter(owns).ok_or(Errno::ENOTTY)
}

/// Whether `/dev/tty` may be opened: where there are processes, only by those that the terminal controls. `ENXIO`.
pub fn check_open() -> Result<()> {
    match JOBS.get().and_then(|jobs| jobs.caller()) {
        Some(_) => owner().map(drop).map_err(|_| Errno::ENXIO),
        None => Ok(()),
    }
}

/// Holds a background group of the terminal's session back: `signal` stops it, and the call is made again after.
/// `EINTR`; `EIO` where it reads and cannot be stopped.
pub fn hold_back(signal: u32) -> Result<()> {
    let (Some(jobs), Ok(caller)) = (JOBS.get(), owner()) else { return Ok(()) };
    if caller.pgid == FOREGROUND.load(Ordering::Relaxed) {
        return Ok(());
    }
    match (jobs.caller_refuses(signal), signal) {
        (true, SIGTTIN) => return Err(Errno::EIO),
        (true, _) => return Ok(()),
        (false, _) if jobs.is_orphaned(caller.pgid) => return Err(Errno::EIO),
        (false, _) => {}
    }
    jobs.send(caller.pgid, signal);
    Err(Errno::EINTR)
}

/// `TIOCSCTTY`: the terminal is the caller's session's, whose leader it has to be; if it is another's, it is taken from
/// that where `steals` says so. `EPERM`.
pub fn take_terminal(steals: bool) -> Result<()> {
    let caller = JOBS.get().and_then(|jobs| jobs.caller()).ok_or(Errno::EPERM)?;
    if caller.pid != caller.sid {
        return Err(Errno::EPERM);
    }
    match SESSION.load(Ordering::Relaxed) {
        has if has == caller.sid => return Ok(()),
        0 => {}
        _ if steals => {}
        _ => return Err(Errno::EPERM),
    }
    SESSION.store(caller.sid, Ordering::Relaxed);
    FOREGROUND.store(caller.pgid, Ordering::Relaxed);
    Ok(())
}

/// `TIOCNOTTY`: the caller has no terminal any more; if it leads the session, nobody in it has. `ENOTTY`.
pub fn give_up_terminal() -> Result<()> {
    let caller = owner()?;
    match (JOBS.get(), caller.pid == caller.sid) {
        (_, true) => leader_left(caller.sid),
        (Some(jobs), false) => jobs.give_up(),
        (None, false) => {}
    }
    Ok(())
}

/// The leader of a session has ended or given its terminal up: the terminal is nobody's, and those in the foreground
/// hear of it. Called with no lock held.
pub fn leader_left(sid: u32) {
    if SESSION.compare_exchange(sid, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return;
    }
    let group = FOREGROUND.swap(0, Ordering::Relaxed);
    if let Some(jobs) = JOBS.get().filter(|_| group != 0) {
        jobs.send(group, SIGHUP);
        jobs.send(group, SIGCONT);
    }
}

/// The number of the device that is a session's controlling terminal, as `st_rdev` says it, and the group in its
/// foreground; 0 and -1 for none.
pub fn terminal_of(sid: u32) -> (u32, i32) {
    match SESSION.load(Ordering::Relaxed) {
        session if session == sid && sid != 0 => {
            (super::CONSOLE.encode(), FOREGROUND.load(Ordering::Relaxed) as i32)
        }
        _ => (0, -1),
    }
}

/// `TIOCGSID`. `ENOTTY`.
pub fn session() -> Result<u32> {
    owner().map(|caller| caller.sid)
}

/// `TIOCGPGRP`. `ENOTTY`.
pub fn foreground() -> Result<u32> {
    owner().map(|_| FOREGROUND.load(Ordering::Relaxed))
}

/// `TIOCSPGRP`: a group of the session is in the foreground. `ENOTTY`, `EINVAL`, `ESRCH`, `EPERM`, and as
/// [`hold_back`].
pub fn set_foreground(pgid: i32) -> Result<()> {
    hold_back(SIGTTOU).map_err(|e| if e == Errno::EIO { Errno::ENOTTY } else { e })?;
    let caller = owner()?;
    let pgid = u32::try_from(pgid).map_err(|_| Errno::EINVAL)?;
    match JOBS.get().and_then(|jobs| jobs.session_of(pgid)) {
        None => Err(Errno::ESRCH),
        Some(sid) if sid != caller.sid => Err(Errno::EPERM),
        Some(_) => {
            FOREGROUND.store(pgid, Ordering::Relaxed);
            Ok(())
        }
    }
}
