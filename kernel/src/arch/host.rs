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

/// Where each test thread's user memory begins: so many bytes from here can be reached, and no others.
pub const USER_ARENA: (u64, usize) = (0x1_0000, 1 << 20);

std::thread_local! {
    static ARENA: core::cell::RefCell<Vec<u8>> = core::cell::RefCell::new(vec![0; USER_ARENA.1]);
}

/// Where `len` bytes at `addr` are in the arena.
fn in_arena(addr: u64, len: usize) -> Result<core::ops::Range<usize>, Fault> {
    let start = addr.checked_sub(USER_ARENA.0).ok_or(Fault)? as usize;
    let end = start.checked_add(len).filter(|&end| end <= USER_ARENA.1).ok_or(Fault)?;
    Ok(start..end)
}

/// Copies from this thread's user memory.
pub fn copy_from_user(into: &mut [u8], addr: u64) -> Result<(), Fault> {
    let range = in_arena(addr, into.len())?;
    ARENA.with_borrow(|arena| into.copy_from_slice(&arena[range]));
    Ok(())
}

/// Copies to this thread's user memory.
pub fn copy_to_user(addr: u64, from: &[u8]) -> Result<(), Fault> {
    let range = in_arena(addr, from.len())?;
    ARENA.with_borrow_mut(|arena| arena[range].copy_from_slice(from));
    Ok(())
}
