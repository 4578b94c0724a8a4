//! Copies to and from user memory, with the unprivileged loads and stores: they see what EL0 may see, and
//! PAN stays on. A fault in them comes back as an error through [`fixup`].

use core::arch::global_asm;

use super::layout::USER_END;

/// A user address that could not be reached.
#[derive(Debug)]
pub struct Fault;

global_asm!(
    r#"
    .text
    // x0 kernel, x1 user, x2 bytes; returns bytes not copied.
    .global copy_from_user_asm
copy_from_user_asm:
    subs    x2, x2, #8
    b.lo    2f
1:  ldtr    x3, [x1]
    add     x1, x1, #8
    str     x3, [x0], #8
    subs    x2, x2, #8
    b.hs    1b
2:  adds    x2, x2, #8
    b.eq    4f
3:  ldtrb   w3, [x1]
    add     x1, x1, #1
    strb    w3, [x0], #1
    subs    x2, x2, #1
    b.ne    3b
4:  mov     x0, #0
    ret
    .global copy_to_user_asm
copy_to_user_asm:
    subs    x2, x2, #8
    b.lo    6f
5:  ldr     x3, [x1], #8
    sttr    x3, [x0]
    add     x0, x0, #8
    subs    x2, x2, #8
    b.hs    5b
6:  adds    x2, x2, #8
    b.eq    8f
7:  ldrb    w3, [x1], #1
    sttrb   w3, [x0]
    add     x0, x0, #1
    subs    x2, x2, #1
    b.ne    7b
8:  mov     x0, #0
    ret
    .global user_access_failed
user_access_failed:
    mov     x0, #1
    ret
    .global user_access_end
user_access_end:
    "#
);

unsafe extern "C" {
    fn copy_from_user_asm(to: *mut u8, from: u64, len: usize) -> u64;
    fn copy_to_user_asm(to: u64, from: *const u8, len: usize) -> u64;
    fn user_access_failed();
    fn user_access_end();
}

fn check(addr: u64, len: usize) -> Result<(), Fault> {
    match addr.checked_add(len as u64) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Fault),
    }
}

/// Copies from user memory; faults pages in, and may therefore sleep.
pub fn copy_from_user(buf: &mut [u8], addr: u64) -> Result<(), Fault> {
    check(addr, buf.len())?;
    // SAFETY: `buf` is writable for its length; the user side is checked and faults are caught.
    match unsafe { copy_from_user_asm(buf.as_mut_ptr(), addr, buf.len()) } {
        0 => Ok(()),
        _ => Err(Fault),
    }
}

/// Copies to user memory; faults pages in, and may therefore sleep.
pub fn copy_to_user(addr: u64, bytes: &[u8]) -> Result<(), Fault> {
    check(addr, bytes.len())?;
    // SAFETY: `bytes` is readable for its length; the user side is checked and faults are caught.
    match unsafe { copy_to_user_asm(addr, bytes.as_ptr(), bytes.len()) } {
        0 => Ok(()),
        _ => Err(Fault),
    }
}

/// Where to go on when the instruction at `pc` faulted on user memory, if it was one of the copies above.
pub fn fixup(pc: u64) -> Option<u64> {
    let code = copy_from_user_asm as *const () as u64..user_access_end as *const () as u64;
    code.contains(&pc).then_some(user_access_failed as *const () as u64)
}
