//! Following frame pointers (AAPCS64 6.4.6): each frame record holds the caller's frame and return address.

use core::arch::asm;

use super::layout::{IMAGE_BASE, STACK_SIZE};
use super::mmu;

/// Return addresses from frame pointer `fp` upwards, innermost first. Stops at the first thing that is no frame.
pub struct Frames {
    fp: usize,
}

/// The frames from `fp` on.
pub fn frames_from(fp: u64) -> Frames {
    Frames { fp: fp as usize }
}

impl Iterator for Frames {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let fp = self.fp;
        // A kernel stack: high, aligned, in the mapped half of its slot with room for a record.
        if fp >> 47 != 0x1ffff || fp & 15 != 0 || fp & STACK_SIZE == 0 || fp % STACK_SIZE > STACK_SIZE - 16 {
            return None;
        }
        let record = fp as *const usize;
        // SAFETY: fp was checked to lie in a mapped kernel stack.
        let (next, lr) = unsafe { (record.read(), record.add(1).read()) };
        // Frames only go up, within one stack.
        self.fp = if next > fp && next / STACK_SIZE == fp / STACK_SIZE { next } else { 0 };
        mmu::is_text(lr as u64).then_some(lr as u64)
    }
}

/// Fills `stack` with the caller's return addresses as offsets into the image.
#[inline(always)]
pub fn backtrace_offsets(stack: &mut [u32]) {
    for (slot, pc) in stack.iter_mut().zip(frames_from(frame_pointer())) {
        *slot = (pc - IMAGE_BASE as u64) as u32;
    }
}

/// The caller's frame pointer.
#[inline(always)]
pub fn frame_pointer() -> u64 {
    let fp;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, x29", out(reg) fp, options(nomem, nostack, preserves_flags)) }
    fp
}
