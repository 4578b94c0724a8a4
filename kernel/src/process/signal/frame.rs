//! What a signal handler finds on its stack, and the way back from it: arm64's `struct rt_sigframe`
//! (Linux: `arch/arm64/kernel/signal.c`, `include/uapi/asm/sigcontext.h`).
#![forbid(unsafe_code)]

use core::mem::{offset_of, size_of};
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::*;
use crate::arch::{self, FpState, TrapFrame};
use crate::mm::user;
use crate::process::image::SIGNAL_PAGE;

/// `FPSIMD_MAGIC`.
const FPSIMD_MAGIC: u32 = 0x4650_8001;
/// Room for register contexts in `struct sigcontext`.
const RESERVED: u64 = 4096;
/// The condition flags, all that user space decides of PSTATE.
const PSTATE_USER: u64 = 0xf000_0000;

/// `struct fpsimd_context`, and the empty context after it.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FpContext {
    magic: u32,
    size: u32,
    fpsr: u32,
    fpcr: u32,
    v: [u64; 64],
    end: [u64; 2],
}

/// The frame up to the last byte that means something.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SigFrame {
    signo: i32,
    errno: i32,
    code: i32,
    pad_code: i32,
    detail: u64,
    more: [u64; 13],
    uc_flags: u64,
    uc_link: u64,
    stack: SignalStack,
    mask: SigSet,
    unused: [u64; 16],
    fault_address: u64,
    regs: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
    pad_context: u64,
    fp: FpContext,
}

const UCONTEXT: u64 = offset_of!(SigFrame, uc_flags) as u64;
const CONTEXT: u64 = offset_of!(SigFrame, fault_address) as u64;
const FP: u64 = offset_of!(SigFrame, fp) as u64;
/// What a frame takes on the stack, the handler's frame record behind it included.
const FRAME_SIZE: u64 = FP + RESERVED + 16;
const _: () = assert!(UCONTEXT == 128 && CONTEXT == 128 + 176 && FP == CONTEXT + 288);
const _: () = assert!(size_of::<FpContext>() == 528 + 16 && FRAME_SIZE.is_multiple_of(16));

/// Puts a frame on the user's stack and lets it go on in the handler. `EFAULT` where there is no stack.
pub fn push(thread: &Thread, regs: &mut TrapFrame, taken: &Taken, action: &Action) -> Result<()> {
    let info = &taken.info;
    let stack = *thread.alt_stack.lock();
    let top = match on_stack(&stack, regs.sp) || stack.flags & 2 != 0 || action.flags & SA_ONSTACK == 0 {
        true => regs.sp,
        false => stack.sp + stack.size,
    };
    let at = top.checked_sub(FRAME_SIZE).ok_or(Errno::EFAULT)? & !15;
    let suspended = thread.has_saved_mask.load(Ordering::Relaxed);
    let before = if suspended { thread.saved_mask.load(Ordering::Relaxed) } else { thread.mask() };
    user::write(at, &describe(regs, taken, before, stack))?;
    let record = at + FP + RESERVED;
    user::write(record, &[regs.x[29], regs.x[30]])?;

    thread.has_saved_mask.store(false, Ordering::Relaxed);
    let own = if action.flags & SA_NODEFER == 0 { bit(info.signal) } else { 0 };
    thread.set_mask(thread.mask() | action.mask | own);
    regs.x[0] = u64::from(info.signal);
    regs.x[1] = at;
    regs.x[2] = at + UCONTEXT;
    regs.x[29] = record;
    regs.x[30] = if action.flags & SA_RESTORER != 0 { action.restorer } else { SIGNAL_PAGE };
    regs.sp = at;
    regs.elr = action.handler;
    regs.spsr &= !PSTATE_USER;
    Ok(())
}

/// Takes the frame back that a handler returns from, and says what the first register is then. `EFAULT` where there
/// is none.
pub fn pop(thread: &Thread, regs: &mut TrapFrame) -> Result<u64> {
    if !regs.sp.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let frame: SigFrame = user::read(regs.sp)?;
    if frame.fp.magic != FPSIMD_MAGIC || frame.fp.size as usize != size_of::<FpContext>() - 16 {
        return Err(Errno::EFAULT);
    }
    thread.set_mask(frame.mask);
    arch::fp_load_current(&FpState::from_parts(&frame.fp.v, frame.fp.fpsr, frame.fp.fpcr));
    regs.x = frame.regs;
    regs.sp = frame.sp;
    regs.elr = frame.pc;
    regs.spsr = (regs.spsr & !PSTATE_USER) | (frame.pstate & PSTATE_USER);
    Ok(regs.x[0])
}

/// Whether `sp` is on the alternate stack.
pub fn on_stack(stack: &SignalStack, sp: u64) -> bool {
    stack.flags & 2 == 0 && sp > stack.sp && sp - stack.sp <= stack.size
}

fn describe(regs: &TrapFrame, taken: &Taken, mask: SigSet, stack: SignalStack) -> SigFrame {
    let info = &taken.info;
    let mut more = [0; 13];
    more[0] = taken.value;
    let mut fp = FpState::default();
    arch::fp_save_current(&mut fp);
    let (v, fpsr, fpcr) = fp.to_parts();
    let size = (size_of::<FpContext>() - 16) as u32;
    SigFrame {
        signo: info.signal as i32,
        errno: 0,
        code: info.code,
        pad_code: 0,
        detail: info.detail,
        more,
        uc_flags: 0,
        uc_link: 0,
        stack,
        mask,
        unused: [0; 16],
        fault_address: if SYNCHRONOUS & bit(info.signal) != 0 { info.detail } else { 0 },
        regs: regs.x,
        sp: regs.sp,
        pc: regs.elr,
        pstate: regs.spsr,
        pad_context: 0,
        fp: FpContext { magic: FPSIMD_MAGIC, size, fpsr, fpcr, v, end: [0; 2] },
    }
}
