//! Instructions and accesses that end in a signal.

use super::child;
use crate::rt::Status;
use crate::rt::abi::{SIGBUS, SIGILL, SIGSEGV, SIGTRAP};
use crate::rt::arch::trap::{self, Trap, spring};
use crate::rt::tap::Tap;
use core::hint::black_box;

/// An address of the kernel's half where its image is linked.
const KERNEL: usize = 0xffff_8000_8000_0000;
/// An address in neither half.
const NOWHERE: usize = 0x00ff_0000_0000_0000;

fn dies(tap: &mut Tap, trap: Trap, signal: u8, what: &str) {
    tap.is(child(|| spring(trap)), Ok(Status::Killed(signal)), what);
}

pub fn jumps(tap: &mut Tap) {
    dies(tap, Trap::JumpTo(0), SIGSEGV, "a jump to zero");
    dies(tap, Trap::JumpTo(KERNEL), SIGSEGV, "a jump into the kernel");
    dies(tap, Trap::JumpTo(NOWHERE), SIGSEGV, "a jump between the halves");
    dies(tap, Trap::JumpTo(trap::text_address() + 2), SIGBUS, "a jump to half an instruction");
    dies(tap, Trap::LoadFrom(0), SIGSEGV, "a load from zero");
    dies(tap, Trap::LoadFrom(KERNEL), SIGSEGV, "a load from the kernel");
    dies(tap, Trap::StoreTo(KERNEL), SIGSEGV, "a store to the kernel");
    dies(tap, Trap::LoadFrom(NOWHERE), SIGSEGV, "a load from between the halves");
    dies(tap, Trap::Undefined, SIGILL, "an undefined instruction");
}

pub fn privileged(tap: &mut Tap) {
    dies(tap, Trap::PrivilegedRead, SIGILL, "reading a register of EL1");
    dies(tap, Trap::PrivilegedWrite, SIGILL, "masking interrupts");
}

pub fn breakpoint(tap: &mut Tap) {
    dies(tap, Trap::Breakpoint, SIGTRAP, "a breakpoint");
}

pub fn read_only(tap: &mut Tap) {
    dies(tap, Trap::StoreTo(trap::text_address()), SIGSEGV, "a store to the program's text");
    dies(tap, Trap::StoreTo(trap::constant_address() & !7), SIGSEGV, "a store to its constants");
    dies(tap, Trap::JumpTo(trap::constant_address() & !3), SIGSEGV, "a jump into its constants");
    let on_stack = [0xd65f_03c0u32; 4];
    dies(tap, Trap::JumpTo(on_stack.as_ptr() as usize), SIGSEGV, "a jump onto the stack");
}

pub fn unaligned(tap: &mut Tap) {
    let bytes: [u8; 16] = core::array::from_fn(|i| i as u8);
    let right = (0..=8).all(|at| {
        trap::unaligned_load(black_box(&bytes), at)
            == 0x0706_0504_0302_0100 + at as u64 * 0x0101_0101_0101_0101
    });
    tap.ok(right, "ordinary loads may be unaligned");
    // A misaligned stack pointer or exclusive load would not be allowed, but QEMU does not check either.
}

pub fn deep_stack(tap: &mut Tap) {
    tap.is(child(|| drop_through(64)), Ok(Status::Exited(0)), "64 frames of 1 KiB fit");
    tap.is(child(|| drop_through(u64::MAX)), Ok(Status::Killed(SIGSEGV)), "recursion without end");
}

/// Uses a kilobyte of stack for each level.
fn drop_through(levels: u64) {
    let frame = black_box([levels; 128]);
    if levels > 1 {
        drop_through(levels - 1);
    }
    black_box(&frame);
}
