//! Holding every other CPU still for a moment, so that memory can be looked at that nobody changes meanwhile.
//!
//! A CPU is held in an interrupt: what it had in registers is on its stack, and it holds no lock that masks interrupts.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::percpu::{self, MAX_CPUS};
use super::{irq, smp};
use crate::sched;

static WANTED: AtomicBool = AtomicBool::new(false);
/// The CPUs that stand still, one bit each.
static STILL: AtomicU64 = AtomicU64::new(0);
/// Where the stack of each of them ends.
static STACKS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];

/// The lower end of the caller's stack; all that its callers keep is above.
#[inline(always)]
fn stack_pointer() -> usize {
    let sp;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) }
    sp
}

/// What a CPU does that is asked to stand still; with interrupts masked.
#[inline(never)]
pub fn stand_still() {
    let id = percpu::cpu_id();
    STACKS[id].store(stack_pointer(), Ordering::Relaxed);
    STILL.fetch_or(1 << id, Ordering::Release);
    while WANTED.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    STILL.fetch_and(!(1 << id), Ordering::Release);
}

/// Calls `look` while every other CPU stands still, with the stack pointer of each CPU. `look` takes no locks but
/// those that mask interrupts. The caller holds no spinning lock; may sleep before.
#[inline(never)]
pub fn with_others_held<R>(look: impl FnOnce(&mut dyn Iterator<Item = usize>) -> R) -> R {
    while WANTED.swap(true, Ordering::AcqRel) {
        sched::yield_now();
    }
    let flags = irq::irq_save();
    // What callers keep in registers is to be on the stack, too.
    let mut kept = [0_usize; 10];
    // SAFETY: writes ten words to an array of as many.
    unsafe {
        asm!(
            "stp x19, x20, [{0}]", "stp x21, x22, [{0}, #16]", "stp x23, x24, [{0}, #32]",
            "stp x25, x26, [{0}, #48]", "stp x27, x28, [{0}, #64]",
            in(reg) kept.as_mut_ptr(), options(nostack)
        );
    }
    let me = percpu::cpu_id();
    let others = || percpu::online().filter(move |&id| id != me);
    let wanted = others().fold(0, |bits, id| bits | 1 << id);
    others().for_each(smp::hold);
    while STILL.load(Ordering::Acquire) != wanted {
        core::hint::spin_loop();
    }
    let held = others().map(|id| STACKS[id].load(Ordering::Relaxed));
    let result = look(&mut held.chain([core::ptr::from_mut(&mut kept).addr().min(stack_pointer())]));
    WANTED.store(false, Ordering::Release);
    while STILL.load(Ordering::Acquire) != 0 {
        core::hint::spin_loop();
    }
    core::hint::black_box(&kept);
    irq::irq_restore(flags);
    result
}
