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

/// Fills `stack` with the return addresses from frame pointer `fp` upwards, innermost first, as offsets into the
/// image; a 0 ends them where there are fewer. This is for every allocation, so it takes for granted what [`Frames`]
/// checks: that a frame record leads to the next one above it in its stack, and that a return address is in the text.
#[inline]
pub fn backtrace_offsets<const N: usize>(fp: u64, stack: &mut [u32; N]) {
    let (mut fp, end) = (fp as usize, fp as usize | (STACK_SIZE - 1));
    if fp >> 47 != 0x1ffff || fp & 15 != 0 || fp & STACK_SIZE == 0 {
        stack[0] = 0;
        return;
    }
    let mut slots = stack.iter_mut();
    while let Some(slot) = slots.next() {
        let (next, lr): (usize, usize);
        // SAFETY: the first record was checked to lie in a mapped kernel stack, `end` is the last byte of that, and
        // each further record begins above the one before and 16 bytes before `end` at the latest. A record that is
        // none need not be aligned, which LDP does not mind.
        unsafe {
            asm!("ldp {}, {}, [{}]", out(reg) next, out(reg) lr, in(reg) fp, options(nostack, readonly))
        };
        *slot = lr.wrapping_sub(IMAGE_BASE) as u32;
        if next <= fp || next > end - 15 {
            slots.next().into_iter().for_each(|after| *after = 0);
            return;
        }
        fp = next;
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
