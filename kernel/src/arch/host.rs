//! A stand-in for the machine, so that the portable rooms build and run their unit tests on the host.

use core::cell::Cell;

/// Interrupt mask; there are no interrupts here.
#[derive(Clone, Copy)]
pub struct IrqFlags;

impl IrqFlags {
    /// Nothing masked.
    pub const NONE: IrqFlags = IrqFlags;
}

std::thread_local! {
    static HELD: Cell<u64> = const { Cell::new(0) };
}

/// Masks interrupts.
pub fn irq_save() -> IrqFlags {
    IrqFlags
}

/// Restores an interrupt mask.
pub fn irq_restore(_: IrqFlags) {}

/// The ranks this thread holds, one bit each.
pub fn held_locks() -> u64 {
    HELD.get()
}

/// Replaces the ranks this thread holds.
pub fn set_held_locks(held: u64) {
    HELD.set(held);
}

/// Nanoseconds since some fixed point.
pub fn now_ns() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

/// This CPU's number.
pub fn cpu_id() -> usize {
    0
}

/// A user address that could not be reached.
#[derive(Debug)]
pub struct Fault;

/// Copies from user memory; there is none here.
pub fn copy_from_user(_: &mut [u8], _: u64) -> Result<(), Fault> {
    Err(Fault)
}

/// Copies to user memory; there is none here.
pub fn copy_to_user(_: u64, _: &[u8]) -> Result<(), Fault> {
    Err(Fault)
}
