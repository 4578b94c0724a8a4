//! Cache maintenance for new code (Arm ARM B2.4.4).

use core::arch::asm;

/// Makes what was written to the `len` bytes at `start` visible to instruction fetches, on all CPUs. The bytes are
/// mapped for reading, and nobody runs them yet.
pub fn publish_text(start: usize, len: usize) {
    let ctr: u64;
    // SAFETY: reading CTR_EL0 has no side effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, pure)) }
    let line = 4 << (ctr >> 16 & 0xf);
    for at in (start & !(line - 1)..start + len).step_by(line) {
        // SAFETY: cleaning a line writes back what is in it, and changes nothing.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack)) }
    }
    // SAFETY: barriers, and an invalidation that has instructions fetched again.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) }
}
