//! The kernel's meeting points: where a task can be made to wait until another has done its part.

use super::{oracle, read_text, write_text};
use alloc::format;
use heaps::uapi::errno::Result;

const FILE: &str = "/sys/kernel/debug/lastref/meet";

/// In open: the VFS has found the device, the heap has not been looked for.
pub const OPEN: &str = "open";
/// In open: the heap has been found, and no reference taken.
pub const FOUND: &str = "found";
/// In registering: the device can be opened, and what comes next can fail.
pub const LIVE: &str = "live";
/// In a search by name: a heap was compared, is not the one, and is let go next.
pub const COMPARED: &str = "compared";
/// In a provider's allocation.
pub const ALLOCATE: &str = "allocate";

/// Has the next task that comes to `point` wait there.
pub fn arm(point: &str) -> Result<()> {
    write_text(FILE, &format!("arm {point}"))
}

/// Has the next task wait that comes to `point` on behalf of the heap with this minor number.
pub fn arm_for(point: &str, minor: u64) -> Result<()> {
    write_text(FILE, &format!("arm {point} {minor}"))
}

/// Lets whoever waits at `point` go on, and has nobody else wait.
pub fn go(point: &str) -> Result<()> {
    write_text(FILE, &format!("go {point}"))
}

/// Whether somebody waits at `point`.
pub fn is_there(point: &str) -> Result<bool> {
    let there = |line: &str| line.split_once(' ').is_some_and(|(at, who)| at == point && who != "armed");
    Ok(read_text(FILE)?.lines().any(there))
}

/// What task `pid` is doing, in the kernel's words: `blocked` is a sleep that no signal ends. `None` when it is gone.
pub fn doing(pid: i32) -> Result<Option<alloc::string::String>> {
    let of_pid = |line: &&str| line.split(' ').next() == Some(&format!("{pid}"));
    Ok(oracle::tasks()?.lines().find(of_pid).map(Into::into))
}
