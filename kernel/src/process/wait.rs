//! Seeing how children ended (Linux: `kernel/exit.c`, `wait4`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::thread::Thread;
use super::tree::{self, Tree};
use crate::sync::wait::Interruptible;

/// `WNOHANG`.
pub const WNOHANG: u32 = 1;
/// `WNOWAIT`: leave the child as it is.
pub const WNOWAIT: u32 = 0x0100_0000;

/// Which children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Any.
    Any,
    /// The one with this number.
    Pid(u32),
    /// Those in this process group.
    Group(u32),
}

/// A child that ended, and its status word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its number.
    pub pid: u32,
    /// How it ended.
    pub status: u32,
}

/// Waits for a child to end. `None` with `WNOHANG` when none has; `ECHILD` when there is none, `EINTR`.
pub fn wait(thread: &Thread, which: Which, options: u32) -> Result<Option<Ended>> {
    let me = thread.process();
    let look = || match take(me.pid(), which, options & WNOWAIT == 0) {
        Ok(None) if options & WNOHANG == 0 => None,
        found => Some(found),
    };
    me.children.wait_interruptible(Interruptible::Yes, look)?
}

fn take(parent: u32, which: Which, reap: bool) -> Result<Option<Ended>> {
    let mut tree = tree::lock();
    let Some(ended) = find(&tree, parent, which)? else { return Ok(None) };
    let gone = if reap { tree.reap(ended.pid) } else { None };
    drop(tree);
    drop(gone);
    Ok(Some(ended))
}

fn find(tree: &Tree, parent: u32, which: Which) -> Result<Option<Ended>> {
    let me = tree.node(parent).ok_or(Errno::ECHILD)?;
    let mut any = false;
    for &pid in &me.children {
        let Some(child) = tree.node(pid) else { continue };
        let meant = match which {
            Which::Any => true,
            Which::Pid(wanted) => pid == wanted,
            Which::Group(pgid) => child.pgid == pgid,
        };
        any |= meant;
        // A child whose last thread has gone has a status; until then it lives.
        if let Some(status) = child.status.filter(|_| meant) {
            return Ok(Some(Ended { pid, status }));
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}
