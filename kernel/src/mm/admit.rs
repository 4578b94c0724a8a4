//! Whether something new may be started, or memory is so low that only what is under way may be finished.
#![forbid(unsafe_code)]

/// `ENOMEM` when it may not.
#[cfg(target_os = "none")]
pub use super::object::admit;

/// It always may where unit tests run.
#[cfg(not(target_os = "none"))]
pub fn admit() -> heaps::Result<()> {
    Ok(())
}
