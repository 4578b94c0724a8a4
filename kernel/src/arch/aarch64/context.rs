//! Switching a CPU from one kernel stack to another, and the FP/SIMD state that user tasks carry.
//!
//! A CPU claims what it switches to and releases what it left, so no stack is ever run by two.

use alloc::boxed::Box;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::vectors::{FRAME_SIZE, TrapFrame};
use super::{irq, percpu, tls};
use crate::mm::stack::KernelStack;
use crate::sched::TaskRef;

/// What a task that does not run keeps: the callee-saved registers and the stack pointer (AAPCS64 6.1.1).
#[repr(C)]
#[derive(Default)]
struct Context {
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

    // A new task's first steps: its frame is on top of its stack.
    .global first_steps
first_steps:
    bl      after_first_switch
    b       return_to_user

    // A new task of the kernel's own: what it does is in x19.
    .global first_kernel_steps
first_kernel_steps:
    mov     x0, x19
    bl      run_kernel_task

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
    add     x0, x0, #512
    stp     x1, x2, [x0]
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
    add     x0, x0, #512
    ldp     x1, x2, [x0]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
    "#
);

unsafe extern "C" {
    fn switch_context(from: *mut Context, to: *const Context);
    fn first_steps();
    fn first_kernel_steps();
    fn fp_save(state: *mut FpState);
    fn fp_load(state: *const FpState);
}

/// FP/SIMD registers of a user task. The kernel itself never uses them.
#[repr(C, align(16))]
#[derive(Clone)]
pub struct FpState {
    v: [u64; 64],
    fpcr: u64,
    fpsr: u64,
}

impl Default for FpState {
    fn default() -> Self {
        FpState { v: [0; 64], fpcr: 0, fpsr: 0 }
    }
}

impl FpState {
    /// The registers, low half first; FPSR; FPCR.
    pub fn to_parts(&self) -> ([u64; 64], u32, u32) {
        (self.v, self.fpsr as u32, self.fpcr as u32)
    }

    /// The state with these registers.
    pub fn from_parts(v: &[u64; 64], fpsr: u32, fpcr: u32) -> FpState {
        FpState { v: *v, fpcr: u64::from(fpcr), fpsr: u64::from(fpsr) }
    }
}

/// Loads this CPU's FP/SIMD registers.
pub fn fp_load_current(state: &FpState) {
    // SAFETY: `state` has the layout fp_load reads.
    unsafe { fp_load(state) }
}

/// Saves this CPU's FP/SIMD registers.
pub fn fp_save_current(state: &mut FpState) {
    // SAFETY: `state` has the layout fp_save writes.
    unsafe { fp_save(state) }
}

/// Everything a task's execution consists of while it does not run, and the stack it runs on.
pub struct Execution {
    context: UnsafeCell<Context>,
    user: UnsafeCell<Option<UserState>>,
    held_locks: UnsafeCell<u64>,
    on_cpu: AtomicBool,
    stack: Option<KernelStack>,
}

struct UserState {
    fp: Box<FpState>,
    tls: u64,
}

// SAFETY: the cells are touched only by the CPU that has claimed `on_cpu`.
unsafe impl Sync for Execution {}
// SAFETY: nothing in it is bound to a CPU.
unsafe impl Send for Execution {}

impl Execution {
    /// What the CPU runs already, on a stack that is not ours to free: its idle task.
    pub fn idle() -> Self {
        Execution {
            context: UnsafeCell::default(),
            user: UnsafeCell::new(None),
            held_locks: UnsafeCell::new(0),
            on_cpu: AtomicBool::new(true),
            stack: None,
        }
    }

    /// One that starts by returning to user space with `frame`.
    pub fn user(stack: KernelStack, frame: &TrapFrame, fp: Box<FpState>, tls: u64) -> Self {
        let sp = stack.top() - FRAME_SIZE;
        // SAFETY: the stack is ours, mapped, and unused; its top is aligned.
        unsafe { (sp as *mut TrapFrame).write(frame.clone()) };
        let context = Context { x30: first_steps as *const () as u64, sp: sp as u64, ..Context::default() };
        Execution {
            context: UnsafeCell::new(context),
            user: UnsafeCell::new(Some(UserState { fp, tls })),
            held_locks: UnsafeCell::new(0),
            on_cpu: AtomicBool::new(false),
            stack: Some(stack),
        }
    }

    /// One that starts in the kernel, with `work`, and stays there.
    pub fn kernel(stack: KernelStack, work: extern "C" fn() -> !) -> Self {
        let mut context = Context {
            x30: first_kernel_steps as *const () as u64,
            sp: stack.top() as u64,
            ..Context::default()
        };
        context.x19_to_x28[0] = work as *const () as u64;
        Execution {
            context: UnsafeCell::new(context),
            user: UnsafeCell::new(None),
            held_locks: UnsafeCell::new(0),
            on_cpu: AtomicBool::new(false),
            stack: Some(stack),
        }
    }

    /// Upper end of its kernel stack.
    pub fn stack_top(&self) -> Option<usize> {
        self.stack.as_ref().map(KernelStack::top)
    }

    /// Frame pointer and resume address, where a backtrace starts while it does not run; `None` while it does.
    pub fn frame(&self) -> Option<(u64, u64)> {
        // SAFETY: only whoever claims the execution writes the context. A claim in between makes this stale, not wrong.
        let context = unsafe { &*self.context.get() };
        (!self.on_cpu.load(Ordering::Acquire)).then_some((context.x29, context.x30))
    }

    /// The stack pointer, while it does not run; `None` while it does.
    pub fn stack_pointer(&self) -> Option<usize> {
        // SAFETY: as in `frame`.
        let context = unsafe { &*self.context.get() };
        (!self.on_cpu.load(Ordering::Acquire)).then_some(context.sp as usize)
    }

    /// Makes it this CPU's, unless a CPU runs it. Interrupts are masked.
    #[must_use]
    pub fn try_claim(&self) -> bool {
        self.on_cpu.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Lets another CPU have it, now that this one runs something else.
    pub fn release(&self) {
        assert!(self.on_cpu.swap(false, Ordering::Release), "an execution was released twice");
    }
}

/// Goes from `prev`, which this CPU runs, to `next`, which it has claimed; `leave` keeps `prev` until the other
/// side lets go of it. Returns when somebody goes back to `prev`. Interrupts are masked.
pub fn switch(prev: TaskRef, next: TaskRef, leave: impl FnOnce(TaskRef)) {
    let (from, to): (*const Execution, *const Execution) = (&prev.execution, &next.execution);
    leave(prev);
    percpu::set_current(next);
    // SAFETY: `leave` and the CPU keep both tasks alive. Both are claimed by this CPU, so their cells are ours;
    // `to`'s context was saved by a switch or made for a first one, and its stack lives as long as it.
    unsafe {
        let (from, to) = (&*from, &*to);
        if let Some(user) = &mut *from.user.get() {
            fp_save(&mut *user.fp);
            user.tls = tls::current_tls();
        }
        if let Some(user) = &*to.user.get() {
            fp_load(&*user.fp);
            tls::set_current_tls(user.tls);
        }
        *from.held_locks.get() = percpu::held_locks();
        percpu::set_held_locks(*to.held_locks.get());
        switch_context(from.context.get(), to.context.get());
    }
}

#[unsafe(no_mangle)]
extern "C" fn run_kernel_task(work: extern "C" fn() -> !) -> ! {
    crate::sched::after_switch();
    irq::irq_enable();
    work()
}

#[unsafe(no_mangle)]
extern "C" fn after_first_switch() {
    static BOOTED: AtomicBool = AtomicBool::new(false);
    crate::sched::after_switch();
    if !BOOTED.load(Ordering::Relaxed) && !BOOTED.swap(true, Ordering::Relaxed) {
        log::info!("lastref: first EL0 instruction at {} ns since reset", super::now_ns());
    }
}
