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

// The child of any clone, on whatever stack: it ends without touching memory. A signal handler that only returns,
// and where it returns to. A return from a handler that never was.
global_asm!(
    r#"
    .section .text.lastref_expendable, "ax"
    .globl lastref_clone_and_exit
lastref_clone_and_exit:
    mov     x8, x6
    svc     #0
    cbz     x0, 1f
    ret
1:  mov     x8, #124
    svc     #0
    mov     x0, #0
    mov     x8, #93
    svc     #0
    brk     #1

    .globl lastref_sigreturn
lastref_sigreturn:
    mov     x9, sp
    mov     x10, x30
    mov     sp, x0
    mov     x8, #139
    svc     #0
    mov     sp, x9
    ret     x10

    .globl lastref_empty_handler
lastref_empty_handler:
    ret
    .globl lastref_restorer
lastref_restorer:
    mov     x8, #139
    svc     #0
    brk     #1
    "#
);

unsafe extern "C" {
    fn lastref_clone_thread(flags: usize, stack: usize, ptid: usize, tls: usize, ctid: usize) -> isize;
    fn lastref_clone_and_exit(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        number: usize,
    ) -> isize;
    fn lastref_sigreturn(stack: usize);
    fn lastref_empty_handler();
    fn lastref_restorer();
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

/// Call `number`, clone or clone3, whose child ends at once without touching memory.
///
/// # Safety
/// Whatever the child shares and the kernel writes for it is the caller's to lose.
pub unsafe fn clone_and_exit(number: usize, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    // SAFETY: the caller's promise; the assembly keeps the C calling convention for the parent.
    unsafe { lastref_clone_and_exit(a, b, c, d, e, f, number) }
}

/// rt_sigreturn from a frame at `stack`.
///
/// # Safety
/// Wherever the frame leads, the process is the caller's to lose.
pub unsafe fn sigreturn(stack: usize) {
    // SAFETY: the caller's promise.
    unsafe { lastref_sigreturn(stack) }
}

/// Addresses of a signal handler that only returns, and of where it has to return to.
pub fn empty_handler() -> (usize, usize) {
    (lastref_empty_handler as *const () as usize, lastref_restorer as *const () as usize)
}
