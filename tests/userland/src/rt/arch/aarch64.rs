//! Instructions: the entry point, the system call, the first steps of a thread.

use core::arch::{asm, global_asm};

// The kernel enters with the argument vector on the stack and nothing in the registers. A frame record of
// zeros ends every backtrace here.
global_asm!(
    r#"
    .section .text.start, "ax"
    .globl _start
_start:
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, sp
    and     sp, x0, #-16
    b       {entry}
    "#,
    entry = sym super::start::entry,
);

// clone() returns twice: in the parent with the thread's id, in the child with zero and on the new stack,
// whose topmost word is the argument of `thread::first_step`.
global_asm!(
    r#"
    .section .text.lastref_clone_thread, "ax"
    .globl lastref_clone_thread
lastref_clone_thread:
    mov     x8, #220
    svc     #0
    cbz     x0, 1f
    ret
1:  mov     x29, xzr
    mov     x30, xzr
    ldr     x0, [sp]
    bl      {first}
    brk     #1
    "#,
    first = sym super::thread::first_step,
);

unsafe extern "C" {
    fn lastref_clone_thread(flags: usize, stack: usize, ptid: usize, tls: usize, ctid: usize) -> isize;
}

/// The system call instruction.
///
/// # Safety
/// As for `super::call`.
pub unsafe fn svc(nr: usize, args: [usize; 6]) -> isize {
    let ret: isize;
    // SAFETY: the kernel keeps every register but x0; the caller answers for what the call does.
    unsafe {
        asm!(
            "svc #0",
            in("x8") nr,
            inlateout("x0") args[0] => ret,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    ret
}

/// Starts a thread on `stack`, whose top word it passes to `thread::first_step`.
///
/// # Safety
/// The stack, `tls` and `ctid` stay valid until the kernel clears `ctid`.
pub unsafe fn clone_thread(flags: usize, stack: usize, tls: usize, ctid: usize) -> isize {
    // SAFETY: the caller's promise; the assembly keeps the C calling convention for the parent.
    unsafe { lastref_clone_thread(flags, stack, 0, tls, ctid) }
}

/// The thread pointer.
pub fn thread_pointer() -> usize {
    let tp: usize;
    // SAFETY: reads a register that EL0 owns.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) tp, options(nomem, nostack, preserves_flags)) };
    tp
}
