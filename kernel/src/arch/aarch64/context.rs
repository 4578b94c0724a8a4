//! Switching a CPU from one kernel stack to another, and the FP/SIMD state that user tasks carry.

use core::arch::global_asm;

/// What a task that does not run keeps: the callee-saved registers and the stack pointer (AAPCS64 6.1.1).
#[repr(C)]
#[derive(Default)]
pub struct Context {
    x19_to_x28: [u64; 10],
    x29: u64,
    x30: u64,
    sp: u64,
}

global_asm!(
    r#"
    .text
    .global switch_context
switch_context:
    mov     x9, sp
    stp     x19, x20, [x0, #0]
    stp     x21, x22, [x0, #16]
    stp     x23, x24, [x0, #32]
    stp     x25, x26, [x0, #48]
    stp     x27, x28, [x0, #64]
    stp     x29, x30, [x0, #80]
    str     x9, [x0, #96]
    ldp     x19, x20, [x1, #0]
    ldp     x21, x22, [x1, #16]
    ldp     x23, x24, [x1, #32]
    ldp     x25, x26, [x1, #48]
    ldp     x27, x28, [x1, #64]
    ldp     x29, x30, [x1, #80]
    ldr     x9, [x1, #96]
    mov     sp, x9
    ret

    // A new task's first steps: x19 is what it runs, x20 its argument.
    .global first_steps
first_steps:
    bl      after_switch
    cbz     x19, 1f
    mov     x0, x20
    blr     x19
1:  b       return_to_user

    .arch_extension fp
    .arch_extension simd
    .global fp_save
fp_save:
    stp     q0, q1, [x0, #0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    mrs     x1, fpcr
    mrs     x2, fpsr
    stp     x1, x2, [x0, #512]
    ret
    .global fp_load
fp_load:
    ldp     q0, q1, [x0, #0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ldp     x1, x2, [x0, #512]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
    "#
);

unsafe extern "C" {
    /// Saves the caller's registers to `from` and goes on with those of `to`; returns when somebody switches back.
    ///
    /// # Safety
    /// `to` was made by [`Context::new`] or saved by a switch and has not been resumed since, its stack is alive,
    /// and interrupts are masked. Nothing touches `from` until the other side has taken over.
    pub fn switch_context(from: *mut Context, to: *const Context);
    fn first_steps();
    fn fp_save(state: *mut FpState);
    fn fp_load(state: *const FpState);
}

impl Context {
    /// A context that, once switched to, calls `entry(arg)` on the stack below `sp` and then returns to user space with
    /// the frame at `sp`; without `entry` it returns to user space at once.
    pub fn new(entry: Option<extern "C" fn(usize)>, arg: usize, sp: u64) -> Self {
        let mut context = Context { x30: first_steps as *const () as u64, sp, ..Context::default() };
        context.x19_to_x28[0] = entry.map_or(0, |f| f as *const () as u64);
        context.x19_to_x28[1] = arg as u64;
        context
    }

    /// Frame pointer and resume address, where a backtrace of a sleeping task starts.
    pub fn frame(&self) -> (u64, u64) {
        (self.x29, self.x30)
    }
}

/// FP/SIMD registers of a user task. The kernel itself never uses them.
#[repr(C, align(16))]
#[derive(Clone)]
pub struct FpState {
    v: [u128; 32],
    fpcr: u64,
    fpsr: u64,
}

impl Default for FpState {
    fn default() -> Self {
        FpState { v: [0; 32], fpcr: 0, fpsr: 0 }
    }
}

/// Saves this CPU's FP/SIMD registers.
pub fn fp_save_current(state: &mut FpState) {
    // SAFETY: `state` has the layout fp_save writes.
    unsafe { fp_save(state) }
}

/// Loads this CPU's FP/SIMD registers.
pub fn fp_load_current(state: &FpState) {
    // SAFETY: `state` has the layout fp_load reads.
    unsafe { fp_load(state) }
}
