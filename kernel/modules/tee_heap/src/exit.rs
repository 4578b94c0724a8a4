//! The provider's end.

use sdk::machine::{wait_drained, wake_drained};
use sdk::{Errno, Result};

/// What the provider does at its end, while there still is memory of its own around. Its end comes when unregistering
/// has returned, or later where a discipline keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It goes.
    Goes,
    /// It waits until all memory is back.
    Waits,
    /// It waits, and holds the lock meanwhile that memory is given back under.
    WaitsLocked,
}

impl Exit {
    /// The value of the parameter `exit`. `EINVAL`.
    pub fn parse(text: Option<&str>) -> Result<Exit> {
        match text {
            None => Ok(Exit::Goes),
            Some("wait") => Ok(Exit::Waits),
            Some("wait-locked") => Ok(Exit::WaitsLocked),
            Some(_) => Err(Errno::EINVAL),
        }
    }
}

/// Waits until `drained` says that all memory is back. Uninterruptible.
pub fn drain(mut drained: impl FnMut() -> bool) {
    if !drained() {
        wait_drained(&mut drained);
    }
}

/// Memory came back: whoever waits for all of it may look again. The provider may be gone when this returns.
pub fn wake() {
    wake_drained();
}
