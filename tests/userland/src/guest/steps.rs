//! The kernel's list of steps: which task came to which place, in order; and the same order enforced.

use super::{read_text, write_text};
use crate::rt::{Fd, abi, file};
use alloc::format;
use alloc::string::String;
use heaps::uapi::errno::Result;

const FILE: &str = "/sys/kernel/debug/lastref/steps";

/// Forgets what was, and has steps written down from here on.
pub fn record() -> Result<()> {
    write_text(FILE, "record")
}

/// The same, and has the actors take their steps in this order: an actor's digit for each step.
pub fn follow(order: &str) -> Result<()> {
    write_text(FILE, &format!("follow {order}"))
}

/// Has everybody go on, whatever the order was.
pub fn go() -> Result<()> {
    write_text(FILE, "go")
}

/// The steps, a line each: an actor's number, and a place.
pub fn taken() -> Result<String> {
    read_text(FILE)
}

/// The list as an actor has it: open, so that to leave it takes no more than one call.
pub struct Place(Fd);

impl Place {
    /// Opens it. Nobody is an actor yet.
    pub fn open() -> Result<Place> {
        Fd::open(FILE, abi::O_WRONLY | abi::O_CLOEXEC).map(Place)
    }

    /// The calling task is actor `number` from here on.
    pub fn enter(&self, number: u8) -> Result<()> {
        file::write_all(self.0.raw(), format!("actor {number}").as_bytes())
    }

    /// And it is none any more.
    pub fn leave(&self) -> Result<()> {
        file::write_all(self.0.raw(), b"leave")
    }
}
