//! `memcpy` and its relatives, which the compiler calls: words where the language's own go by the byte.
//!
//! Copies of up to 64 bytes load everything before they store anything, so overlap does not matter; longer ones are
//! left to the machine where it can copy (FEAT_MOPS; Arm ARM C6.2, CPYP and SETP). Nothing here reads or writes
//! outside of what it is given: memory tags see every access. None of it makes a frame: [`is_frameless`] tells
//! reports that X30, not a frame record, says who called.

use core::arch::{asm, global_asm};

/// Looks whether the machine copies and sets memory by itself (ID_AA64ISAR2_EL1.MOPS). Once, at boot.
pub fn init() {
    unsafe extern "C" {
        static mut mem_has_mops: u64;
    }
    let isar2: u64;
    // SAFETY: reading an identification register has no side effect; the flag is an aligned word that only the
    // routines below read, each once.
    unsafe {
        asm!("mrs {}, id_aa64isar2_el1", out(reg) isar2, options(nomem, nostack));
        (&raw mut mem_has_mops).write_volatile(isar2 >> 16 & 0xf);
    }
}

/// Whether the machine copies and sets memory by itself.
pub fn has_mops() -> bool {
    unsafe extern "C" {
        static mem_has_mops: u64;
    }
    // SAFETY: an aligned word, written once by `init`.
    unsafe { (&raw const mem_has_mops).read_volatile() != 0 }
}

/// Whether the instruction at `pc` is one of the routines here, which keep their caller in X30 alone.
pub fn is_frameless(pc: u64) -> bool {
    unsafe extern "C" {
        static mem_routines: u8;
        static mem_routines_end: u8;
    }
    let range = (&raw const mem_routines).addr() as u64..(&raw const mem_routines_end).addr() as u64;
    range.contains(&pc)
}

global_asm!(
    r#"
    .arch_extension mops
    .bss
    .balign 8
    .global mem_has_mops
mem_has_mops:
    .zero   8

    .text
    .balign 64
    .global mem_routines
mem_routines:
    .global memmove
memmove:
    cmp     x2, #64
    b.ls    copy_small
    sub     x3, x0, x1
    cmp     x3, x2
    b.hs    copy_large                  // apart, or downwards
    adrp    x3, mem_has_mops
    ldr     x3, [x3, :lo12:mem_has_mops]
    cbz     x3, 1f
    mov     x3, x0
    cpyp    [x3]!, [x1]!, x2!
    cpym    [x3]!, [x1]!, x2!
    cpye    [x3]!, [x1]!, x2!
    ret
1:  ldp     x6, x7, [x1]                // upwards: from the end, the first 16 bytes last
    add     x4, x1, x2
    add     x5, x0, x2
2:  ldp     x8, x9, [x4, #-16]!
    stp     x8, x9, [x5, #-16]!
    sub     x2, x2, #16
    cmp     x2, #16
    b.hi    2b
    stp     x6, x7, [x0]
    ret

    .balign 32
    .global memcpy
memcpy:
    cmp     x2, #64
    b.hi    copy_large
copy_small:
    add     x4, x1, x2
    add     x5, x0, x2
    cmp     x2, #16
    b.lo    1f
    ldp     x6, x7, [x1]
    ldp     x8, x9, [x4, #-16]
    cmp     x2, #32
    b.ls    0f
    ldp     x10, x11, [x1, #16]
    ldp     x12, x13, [x4, #-32]
    stp     x10, x11, [x0, #16]
    stp     x12, x13, [x5, #-32]
0:  stp     x6, x7, [x0]
    stp     x8, x9, [x5, #-16]
    ret
1:  tbz     x2, #3, 2f
    ldr     x6, [x1]
    ldur    x7, [x4, #-8]
    str     x6, [x0]
    stur    x7, [x5, #-8]
    ret
2:  tbz     x2, #2, 3f
    ldr     w6, [x1]
    ldur    w7, [x4, #-4]
    str     w6, [x0]
    stur    w7, [x5, #-4]
    ret
3:  tbz     x2, #1, 4f
    ldrh    w6, [x1]
    ldurh   w7, [x4, #-2]
    strh    w6, [x0]
    sturh   w7, [x5, #-2]
    ret
4:  cbz     x2, 5f
    ldrb    w6, [x1]
    strb    w6, [x0]
5:  ret

copy_large:
    adrp    x3, mem_has_mops
    ldr     x3, [x3, :lo12:mem_has_mops]
    cbz     x3, 1f
    mov     x3, x0
    cpyfp   [x3]!, [x1]!, x2!
    cpyfm   [x3]!, [x1]!, x2!
    cpyfe   [x3]!, [x1]!, x2!
    ret
1:  add     x4, x1, x2
    add     x5, x0, x2
    ldp     x6, x7, [x4, #-16]
    mov     x3, x0
2:  ldp     x8, x9, [x1], #16
    stp     x8, x9, [x3], #16
    sub     x2, x2, #16
    cmp     x2, #16
    b.hi    2b
    stp     x6, x7, [x5, #-16]
    ret

    .balign 32
    .global memset
memset:
    add     x5, x0, x2
    cmp     x2, #64
    b.hi    3f
    and     x1, x1, #0xff
    mov     x3, #0x0101010101010101
    mul     x1, x1, x3
    cmp     x2, #16
    b.lo    1f
    stp     x1, x1, [x0]
    stp     x1, x1, [x5, #-16]
    cmp     x2, #32
    b.ls    0f
    stp     x1, x1, [x0, #16]
    stp     x1, x1, [x5, #-32]
0:  ret
1:  tbz     x2, #3, 2f
    str     x1, [x0]
    stur    x1, [x5, #-8]
    ret
2:  cbz     x2, 0b
    strb    w1, [x5, #-1]!
    sub     x2, x2, #1
    b       2b
3:  adrp    x3, mem_has_mops
    ldr     x3, [x3, :lo12:mem_has_mops]
    cbz     x3, 4f
    mov     x3, x0
    setp    [x3]!, x2!, x1
    setm    [x3]!, x2!, x1
    sete    [x3]!, x2!, x1
    ret
4:  and     x1, x1, #0xff
    mov     x3, #0x0101010101010101
    mul     x1, x1, x3
    mov     x3, x0
    stp     x1, x1, [x5, #-16]
5:  stp     x1, x1, [x3], #16
    sub     x2, x2, #16
    cmp     x2, #16
    b.hi    5b
    ret

    .balign 32
    .global memcmp
    .global bcmp
memcmp:
bcmp:
    subs    x2, x2, #8
    b.lo    2f
1:  ldr     x3, [x0], #8
    ldr     x4, [x1], #8
    cmp     x3, x4
    b.ne    4f
    subs    x2, x2, #8
    b.hs    1b
2:  adds    x2, x2, #8
    b.eq    5f
3:  ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    subs    w3, w3, w4
    b.ne    6f
    subs    x2, x2, #1
    b.ne    3b
5:  mov     w0, #0
    ret
4:  rev     x3, x3
    rev     x4, x4
    cmp     x3, x4
    cset    w0, hi
    cinv    w0, w0, lo
    ret
6:  mov     w0, w3
    ret
    .global mem_routines_end
mem_routines_end:
    "#
);
