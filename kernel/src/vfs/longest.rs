//! How long the caller may make a file (Linux: `generic_write_check_limits` and `inode_newsize_ok`). Who that is only
//! the process layer knows; it [tells](set_caller).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use spin::Once;

/// The calling process. No function is called with a spinning lock held.
pub trait Caller: Sync {
    /// The length, in bytes; `u64::MAX` for any.
    fn longest(&self) -> u64;

    /// Tells it that it tried to go beyond.
    fn went_beyond(&self);
}

static CALLER: Once<&'static dyn Caller> = Once::new();

/// Says who knows the caller. Called once, at boot.
pub fn set_caller(caller: &'static dyn Caller) {
    CALLER.call_once(|| caller);
}

/// How many of `len` bytes the caller may write at `pos`. `EFBIG` for none at all; then it was told.
pub fn admit_write(pos: u64, len: usize) -> Result<usize> {
    let Some((caller, longest)) = limit() else { return Ok(len) };
    if pos >= longest {
        caller.went_beyond();
        return Err(Errno::EFBIG);
    }
    Ok(usize::try_from(longest - pos).map_or(len, |room| len.min(room)))
}

/// `EFBIG` unless the caller may let a file of `from` bytes become `to` bytes long; then it was told.
pub fn admit_size(from: u64, to: u64) -> Result<()> {
    match limit() {
        Some((caller, longest)) if to > from && to > longest => {
            caller.went_beyond();
            Err(Errno::EFBIG)
        }
        _ => Ok(()),
    }
}

fn limit() -> Option<(&'static dyn Caller, u64)> {
    let caller = *CALLER.get()?;
    Some((caller, caller.longest())).filter(|(_, longest)| *longest != u64::MAX)
}
