//! Cache maintenance for new code (Arm ARM B2.4.4).

use core::arch::asm;

use heaps::{PAGE_SIZE, PhysAddr};

use super::layout::linear;

/// CTR_EL0: data need not be cleaned, instructions need not be invalidated, for what is fetched to be what was stored.
const IDC: u64 = 1 << 28;
const DIC: u64 = 1 << 29;

fn cache_type() -> u64 {
    let ctr: u64;
    // SAFETY: reading CTR_EL0 has no side effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, pure)) }
    ctr
}

/// Makes what was written to the `len` bytes at `start` visible to instruction fetches, on all CPUs. The bytes are
/// mapped for reading, and nobody runs them yet.
pub fn publish_text(start: usize, len: usize) {
    let ctr = cache_type();
    clean(ctr, start, len);
    invalidate(ctr);
}

/// The same for whole frames, which are about to be mapped for user space to execute (Linux: `__sync_icache_dcache`).
pub fn publish_frames(frames: impl Iterator<Item = PhysAddr>) {
    let ctr = cache_type();
    frames.for_each(|frame| clean(ctr, linear(frame).addr(), PAGE_SIZE));
    invalidate(ctr);
}

/// Cleans data to the point of unification.
fn clean(ctr: u64, start: usize, len: usize) {
    if ctr & IDC != 0 {
        return;
    }
    let line = 4 << (ctr >> 16 & 0xf);
    for at in (start & !(line - 1)..start + len).step_by(line) {
        // SAFETY: cleaning a line writes back what is in it, and changes nothing.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack)) }
    }
}

/// Has instructions fetched again, by all CPUs: by whatever address they know them, since all of the cache goes.
fn invalidate(ctr: u64) {
    // SAFETY: a barrier only.
    unsafe { asm!("dsb ish", options(nostack)) }
    if ctr & DIC == 0 {
        // SAFETY: invalidating has instructions fetched again; the barrier waits for it.
        unsafe { asm!("ic ialluis", "dsb ish", options(nostack)) }
    }
    // SAFETY: a barrier only.
    unsafe { asm!("isb", options(nostack)) }
}
