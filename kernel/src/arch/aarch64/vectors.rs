//! Exception vectors: a full frame on entry, the way back to EL0, and a stack to report an overflow on.
//!
//! Kernel stacks stand in 64 KiB slots whose lower half is unmapped, so bit 15 of a good stack pointer is
//! set. Entry from EL1 tests it before it pushes anything (Arm ARM D1.3, exception entry).

use core::arch::global_asm;

/// The interrupted state of user or kernel code, on top of the kernel stack.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct TrapFrame {
    /// X0 to X30.
    pub x: [u64; 31],
    /// The interrupted stack pointer (SP_EL0 from user space).
    pub sp: u64,
    /// Where to go on.
    pub elr: u64,
    /// The interrupted PSTATE.
    pub spsr: u64,
}

/// Bytes of a [`TrapFrame`].
pub const FRAME_SIZE: usize = size_of::<TrapFrame>();
const _: () = assert!(FRAME_SIZE == 272 && FRAME_SIZE.is_multiple_of(16));

impl TrapFrame {
    /// A frame that starts user code at `entry` with stack pointer `sp` and all other registers zero.
    pub fn user(entry: u64, sp: u64) -> Self {
        TrapFrame { x: [0; 31], sp, elr: entry, spsr: 0 }
    }

    /// Whether the interrupted code ran at EL0.
    pub fn from_user(&self) -> bool {
        self.spsr & 0xf == 0
    }
}

global_asm!(
    r#"
    .arch_extension memtag
    .macro save_regs
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    .endm

    .macro restore_regs
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldp     x0, x1, [sp, #0]
    .endm

    .macro from_user handler
    sub     sp, sp, #272
    save_regs
    mrs     x21, sp_el0
    stp     x30, x21, [sp, #240]
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    stp     x22, x23, [sp, #256]
    mov     x29, xzr
    mov     x30, xzr
    msr     tco, #0
    mov     x0, sp
    bl      \handler
    b       return_to_user
    .endm

    // With room for the frame below the stack pointer; a frame record on top, so that backtraces go through.
    .macro from_kernel handler
    save_regs
    add     x21, sp, #272
    stp     x30, x21, [sp, #240]
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    stp     x22, x23, [sp, #256]
    stp     x29, x22, [sp, #-16]!
    mov     x29, sp
    msr     tco, #0                     // exception entry switches tag checks off
    add     x0, sp, #16
    bl      \handler
    add     sp, sp, #16
    .endm

    .macro vectors user_sync
    // Current EL with SP_EL0: never used.
    .rept 4
    .balign 128
    b       entry_unexpected
    .endr
    // Current EL with SP_ELx. A bad stack pointer is told by arithmetic, with no register to spare.
    .balign 128
    sub     sp, sp, #272
    add     sp, sp, x0
    sub     x0, sp, x0
    tbz     x0, #15, 0f
    sub     x0, sp, x0
    sub     sp, sp, x0
    b       entry_kernel_sync
0:  b       entry_stack_overflow
    .balign 128
    b       entry_kernel_irq
    .balign 128
    b       entry_unexpected
    .balign 128
    b       entry_unexpected
    // Lower EL, AArch64.
    .balign 128
    b       \user_sync
    .balign 128
    b       entry_user_irq
    .balign 128
    b       entry_user_other
    .balign 128
    b       entry_user_other
    // Lower EL, AArch32: user code cannot get there, PSTATE.nRW is never set.
    .rept 4
    .balign 128
    b       entry_user_other
    .endr
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global exception_vectors
exception_vectors:
    vectors entry_user_sync
    // The same where system calls are traced.
    .balign 2048
    .global tracing_vectors
tracing_vectors:
    vectors entry_user_sync_traced

entry_user_sync:
    from_user user_sync
entry_user_sync_traced:
    from_user user_sync_traced
entry_user_irq:
    from_user user_irq
entry_user_other:
    from_user user_other

    .global return_to_user
return_to_user:
    msr     daifset, #0xf
    mrs     x0, tpidr_el1
    ldr     w1, [x0, #{work}]
    cbnz    w1, 1f
2:  ldp     x22, x23, [sp, #256]
    msr     elr_el1, x22
    msr     spsr_el1, x23
    ldp     x30, x21, [sp, #240]
    msr     sp_el0, x21
    restore_regs
    add     sp, sp, #272
    eret
1:  mov     x0, sp
    bl      user_work
    b       return_to_user

    // The kernel's own faults: the frame is made, interrupts stay as the vector left them (masked).
entry_kernel_sync:
    from_kernel kernel_sync
    b       return_to_kernel

entry_kernel_irq:
    sub     sp, sp, #272
    from_kernel kernel_irq

return_to_kernel:
    ldp     x22, x23, [sp, #256]
    msr     elr_el1, x22
    msr     spsr_el1, x23
    ldr     x30, [sp, #240]
    restore_regs
    add     sp, sp, #272
    eret

entry_stack_overflow:
    msr     sp_el0, x0                  // what the stack pointer was, less a frame
    mrs     x0, tpidr_el1
    ldr     x0, [x0, #{overflow_stack}]
    mov     sp, x0
    mrs     x0, sp_el0
    mov     x1, x29
    mrs     x2, elr_el1
    bl      stack_overflow
entry_unexpected:
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    bl      unexpected_exception
    "#,
    work = const super::percpu::WORK_OFFSET,
    overflow_stack = const super::percpu::OVERFLOW_STACK_OFFSET,
);
