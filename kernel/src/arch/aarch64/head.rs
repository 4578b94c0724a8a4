//! The first instructions: the arm64 Image header, exception levels, the boot page tables, the MMU.
//!
//! Runs at physical addresses with the MMU off, so it is assembly and PC-relative throughout. The boot
//! tables are coarse and writable; `mmu::init` replaces them before anything else runs.

use core::arch::global_asm;

/// MAIR_EL1: device, normal, normal tagged, normal non-cacheable (Arm ARM D17.2.97).
pub const MAIR: u64 = 0x44_f0_ff_04;
/// TCR_EL1 without IPS: 48 bits both halves, 4 KiB, inner shareable write-back, 16-bit ASIDs, hardware access and
/// dirty bits, top byte ignored both halves, all-ones tags unchecked in the kernel's half (D17.2.131).
pub const TCR: u64 = 16
    | 1 << 8
    | 1 << 10
    | 3 << 12
    | 16 << 16
    | 1 << 24
    | 1 << 26
    | 3 << 28
    | 2 << 30
    | 1 << 36
    | 1 << 37
    | 1 << 38
    | 1 << 39
    | 1 << 40
    | 1 << 58;
/// SCTLR_EL1: MMU, caches, stack alignment checks, EL0 may use DC ZVA, CTR_EL0 and WFI; PAN set on every entry;
/// allocation tags accessible and checked synchronously at EL1 (D17.2.118).
pub const SCTLR: u64 = 1
    | 1 << 2
    | 1 << 3
    | 1 << 4
    | 1 << 11
    | 1 << 12
    | 1 << 14
    | 1 << 15
    | 1 << 16
    | 1 << 18
    | 1 << 20
    | 1 << 22
    | 1 << 26
    | 1 << 28
    | 1 << 29
    | 1 << 40
    | 1 << 43;

global_asm!(
    r#"
    .section .head, "ax"
    .global _head
_head:
    b       _start                      // arm64 Image header, Documentation/arch/arm64/booting.rst
    .long   0
    .quad   0                           // load at RAM base + 0
    .quad   __kernel_end - _head        // image size, bss and boot stack included
    .quad   0xa                         // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

_start:
    msr     daifset, #0xf
    mov     x20, x0                     // device tree
    bl      drop_to_el1
    adrp    x1, __bss_start
    add     x1, x1, :lo12:__bss_start
    adrp    x2, __bss_end
    add     x2, x2, :lo12:__bss_end
1:  cmp     x1, x2
    b.hs    2f
    stp     xzr, xzr, [x1], #16
    b       1b
2:  adrp    x21, _head                  // where we were loaded

    // Kernel's half: the image by 2 MiB blocks, and linearly the first GiB (devices) and the image's GiB.
    adrp    x0, boot_l0
    adrp    x1, boot_image_l1
    orr     x2, x1, #3
    str     x2, [x0, #256 * 8]
    adrp    x3, boot_image_l2
    orr     x2, x3, #3
    str     x2, [x1, #2 * 8]
    ldr     x4, =0x705                  // block, AF, inner shareable, normal
    orr     x4, x4, x21
    mov     x5, #32
3:  str     x4, [x3], #8
    add     x4, x4, #0x200000
    subs    x5, x5, #1
    b.ne    3b
    adrp    x1, boot_linear_l1
    orr     x2, x1, #3
    str     x2, [x0]
    ldr     x4, =0x60000000000401       // device block at 0, never executable
    str     x4, [x1]
    lsr     x5, x21, #30
    lsl     x6, x5, #30
    ldr     x4, =0x60000000000709       // normal tagged block, never executable
    orr     x4, x4, x6
    str     x4, [x1, x5, lsl #3]
    // The user half for a moment: the image's GiB where it is, so that the MMU can be switched on.
    adrp    x0, boot_id_l0
    adrp    x1, boot_id_l1
    orr     x2, x1, #3
    str     x2, [x0]
    ldr     x4, =0x705
    orr     x4, x4, x6
    str     x4, [x1, x5, lsl #3]
    dsb     sy

    adrp    x1, boot_l0
    bl      enable_mmu
    ldr     x9, =__boot_stack_top
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    mov     x1, x21
    ldr     x9, =kernel_entry
    br      x9

    // Another CPU, woken by PSCI CPU_ON; x0 is its number.
    .global _secondary_start
_secondary_start:
    msr     daifset, #0xf
    mov     x20, x0
    bl      drop_to_el1
    adrp    x1, boot_kernel_root
    ldr     x1, [x1, :lo12:boot_kernel_root]
    bl      enable_mmu
    ldr     x9, =boot_secondary_stacks
    ldr     x9, [x9, x20, lsl #3]
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    ldr     x9, =secondary_entry
    br      x9

    // Switches the MMU on with the kernel's half at x1, and goes on where we are.
enable_mmu:
    ldr     x2, ={mair}
    msr     mair_el1, x2
    ldr     x2, ={tcr}
    mrs     x3, id_aa64mmfr0_el1
    and     x3, x3, #7
    bfi     x2, x3, #32, #3
    msr     tcr_el1, x2
    adrp    x2, boot_id_l0
    msr     ttbr0_el1, x2
    msr     ttbr1_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ldr     x2, ={sctlr}
    msr     sctlr_el1, x2
    isb
    ret

    // Leaves EL2 where a machine starts us there.
drop_to_el1:
    mrs     x9, currentel
    cmp     x9, #8
    b.ne    9f
    mov     x9, #3
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    ldr     x9, =0x100000080000000      // RW, and ATA: tags are EL1's
    msr     hcr_el2, x9
    ldr     x9, =0x33ff
    msr     cptr_el2, x9
    mrs     x9, id_aa64pfr0_el1
    ubfx    x9, x9, #24, #4
    cbz     x9, 8f
    mov     x9, #0xf
    msr     s3_4_c12_c9_5, x9           // ICC_SRE_EL2
    isb
8:  mrs     x9, id_aa64mmfr1_el1
    ubfx    x9, x9, #40, #4
    cbz     x9, 7f
    mov     x9, #0x800                  // HCRX_EL2.MSCEn: memory-set instructions are EL1's too
    msr     s3_4_c1_c2_2, x9
7:  mov     x9, #0x3c5
    msr     spsr_el2, x9
    msr     elr_el2, x30
    eret
9:  ret
    .ltorg

    .section .bss.boot_tables, "aw", @nobits
    .balign 4096
boot_l0:         .skip 4096
boot_image_l1:   .skip 4096
boot_image_l2:   .skip 4096
boot_linear_l1:  .skip 4096
boot_id_l0:      .skip 4096
boot_id_l1:      .skip 4096
    "#,
    mair = const MAIR,
    tcr = const TCR,
    sctlr = const SCTLR,
);
