//! Kernel stacks: each in a 64 KiB slot of its own whose lower half stays unmapped, so that an overflow faults.

use alloc::vec::Vec;

use arrayvec::ArrayVec;
use heaps::{Errno, PAGE_SIZE, Result};

use super::frames::{self, Frame};
use crate::arch;
use crate::arch::mmu::{self, Use};
use crate::sync::{SpinLock, order};

/// Bytes of a slot.
const SLOT: usize = 2 * arch::STACK_SIZE;
const PAGES: usize = arch::STACK_SIZE / PAGE_SIZE;

/// Slots that have a stack mapped but no task, and the first slot never used.
struct Slots {
    idle: Vec<usize>,
    next: usize,
}

static SLOTS: SpinLock<Slots, { order::STACKS }> = SpinLock::new(Slots { idle: Vec::new(), next: 0 });

/// A kernel stack, given back when dropped.
pub struct KernelStack {
    slot: usize,
}

impl KernelStack {
    /// A stack. `ENOMEM`.
    pub fn new() -> Result<KernelStack> {
        let mut slots = SLOTS.lock();
        if let Some(slot) = slots.idle.pop() {
            return Ok(KernelStack { slot });
        }
        let slot = slots.next;
        // Room for the day when every stack is idle, so that giving one back cannot fail.
        let room = (slot + 1).saturating_sub(slots.idle.len());
        slots.idle.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
        map(slot)?;
        slots.next += 1;
        Ok(KernelStack { slot })
    }

    /// Its upper end.
    pub fn top(&self) -> usize {
        arch::STACKS_BASE + (self.slot + 1) * SLOT
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        SLOTS.lock().idle.push(self.slot);
    }
}

fn map(slot: usize) -> Result<()> {
    let base = arch::STACKS_BASE + slot * SLOT + arch::STACK_SIZE;
    let new = (0..PAGES).map(|_| frames::alloc_zeroed()).collect::<Result<ArrayVec<Frame, PAGES>>>()?;
    for (page, frame) in new.into_iter().enumerate() {
        if let Err(e) = mmu::map_kernel_page(base + page * PAGE_SIZE, frame.addr(), Use::Data) {
            for back in 0..page {
                mmu::unmap_kernel_page(base + back * PAGE_SIZE).map(Frame::from_raw);
            }
            return Err(e);
        }
        frame.into_raw();
    }
    Ok(())
}

/// Frames of stacks that wait for a task.
pub fn idle_frames() -> usize {
    SLOTS.lock().idle.len() * PAGES
}
