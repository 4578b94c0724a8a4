//! The user's thread pointer.

use aarch64_cpu::registers::{Readable, TPIDR_EL0, Writeable};

/// The running task's TPIDR_EL0.
pub fn current_tls() -> u64 {
    TPIDR_EL0.get()
}

/// Sets the running task's TPIDR_EL0.
pub fn set_current_tls(value: u64) {
    TPIDR_EL0.set(value);
}
