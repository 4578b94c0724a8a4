//! Seeing how children ended, stopped and went on (Linux: `kernel/exit.c`, `wait4`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::signal::SIGCHLD;
use super::stop::CONTINUED;
use super::thread::Thread;
use super::tree::{self, Tree};
use crate::sync::wait::Interruptible;
use crate::time::cpu::Usage;

/// `WNOHANG`.
pub const WNOHANG: u32 = 1;
/// `WUNTRACED`, `WSTOPPED`: those that stopped.
pub const WSTOPPED: u32 = 2;
/// `WEXITED`: those that ended.
pub const WEXITED: u32 = 4;
/// `WCONTINUED`: those that went on.
pub const WCONTINUED: u32 = 8;
/// `WNOWAIT`: leave the child as it is.
pub const WNOWAIT: u32 = 0x0100_0000;

/// `__WALL`: children of any kind.
pub const WALL: u32 = 0x4000_0000;
/// `__WCLONE`: only those whose end is told by another signal than SIGCHLD, or by none.
pub const WCLONE: u32 = 0x8000_0000;

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

/// A child that changed, and its status word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Its number.
    pub pid: u32,
    /// What became of it.
    pub status: u32,
    /// What it and the children it waited for had used.
    pub usage: Usage,
}

/// Waits for a child to end, stop or go on, as `options` say. `None` with `WNOHANG` when none has; `ECHILD` when there is none, `EINTR`.
pub fn wait(thread: &Thread, which: Which, options: u32) -> Result<Option<Changed>> {
    let me = thread.process();
    let look = || match take(me.pid(), which, options) {
        Ok(None) if options & WNOHANG == 0 => None,
        found => Some(found),
    };
    me.children.wait_interruptible(Interruptible::Yes, look)?
}

fn take(parent: u32, which: Which, options: u32) -> Result<Option<Changed>> {
    let mut tree = tree::lock();
    let Some((pid, status, ended)) = find(&tree, parent, which, options)? else { return Ok(None) };
    let process = tree.node(pid).map(|node| node.process.clone());
    let parent = tree.node(parent).map(|node| node.process.clone());
    let gone = if ended && options & WNOWAIT == 0 { tree.reap(pid) } else { None };
    drop(tree);
    let usage = process.map(|process| match ended {
        true => process.cpu.ended() + process.cpu.children(),
        false => process.usage() + process.cpu.children(),
    });
    let usage = usage.unwrap_or_default();
    if let (true, Some(parent)) = (gone.is_some(), parent) {
        parent.cpu.add_child(usage);
    }
    drop(gone);
    Ok(Some(Changed { pid, status, usage }))
}

/// A child that has changed, its status word, and whether it ended.
fn find(tree: &Tree, parent: u32, which: Which, options: u32) -> Result<Option<(u32, u32, bool)>> {
    let me = tree.node(parent).ok_or(Errno::ECHILD)?;
    let mut any = false;
    for &pid in &me.children {
        let Some(child) = tree.node(pid) else { continue };
        let meant = match which {
            Which::Any => true,
            Which::Pid(wanted) => pid == wanted,
            Which::Group(pgid) => child.pgid == pgid,
        };
        let is_clone = child.exit_signal != SIGCHLD;
        let meant = meant && (options & WALL != 0 || is_clone == (options & WCLONE != 0));
        any |= meant;
        // A child whose last thread has gone has a status; until then it lives.
        if let Some(status) = child.status.filter(|_| meant && options & WEXITED != 0) {
            return Ok(Some((pid, status, true)));
        }
        if meant && child.status.is_none() {
            let wanted = |word| options & if word == CONTINUED { WCONTINUED } else { WSTOPPED } != 0;
            if let Some(status) = child.process.stop.news(options & WNOWAIT == 0, wanted) {
                return Ok(Some((pid, status, false)));
            }
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}
