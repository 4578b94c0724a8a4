//! Masking interrupts on this CPU, and waiting for one.

use aarch64_cpu::asm;
use aarch64_cpu::registers::{DAIF, Readable, Writeable};

/// A saved interrupt mask.
#[derive(Clone, Copy)]
pub struct IrqFlags(u64);

impl IrqFlags {
    /// Nothing masked.
    pub const NONE: IrqFlags = IrqFlags(0);
}

/// Masks interrupts and returns the mask before.
#[inline]
pub fn irq_save() -> IrqFlags {
    let flags = DAIF.get();
    irq_disable();
    IrqFlags(flags)
}

/// Puts a mask back.
#[inline]
pub fn irq_restore(flags: IrqFlags) {
    DAIF.set(flags.0);
}

/// Masks interrupts.
#[inline]
pub fn irq_disable() {
    // SAFETY: masking interrupts breaks nothing the compiler knows of.
    unsafe { core::arch::asm!("msr daifset, #3", options(nomem, nostack)) }
}

/// Unmasks interrupts.
#[inline]
pub fn irq_enable() {
    // SAFETY: the vectors are in place before anything calls this.
    unsafe { core::arch::asm!("msr daifclr, #3", options(nostack)) }
}

/// Waits until an interrupt is pending; masked ones count.
pub fn wait_for_interrupt() {
    asm::wfi();
}

/// Unmasks SError and debug exceptions; they stay so.
pub fn unmask_async() {
    // SAFETY: the vectors are in place.
    unsafe { core::arch::asm!("msr daifclr, #0xc", options(nostack)) }
}
