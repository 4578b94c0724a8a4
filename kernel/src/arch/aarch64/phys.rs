//! Reading and writing physical memory through the linear map. Callers own the frames they name.

use core::arch::asm;
use core::ops::Range;

use heaps::{PAGE_SIZE, PhysAddr};

use super::layout::linear;
use super::mem;

/// Zeroes whole frames.
pub fn zero_pages(start: PhysAddr, pages: usize) {
    let (at, len) = (linear(start), pages * PAGE_SIZE);
    // SAFETY: the caller owns the frames, which the linear map holds as normal memory.
    unsafe {
        if mem::has_mops() {
            set_zero(at, len);
        } else {
            zero_blocks(at, len);
        }
    }
}

/// # Safety
/// The memory is the caller's, and the machine has FEAT_MOPS.
unsafe fn set_zero(at: *mut u8, len: usize) {
    // SAFETY: the caller's memory; the three instructions go together (Arm ARM C6.2, SETP).
    unsafe {
        asm!(
            ".arch_extension mops",
            "setp [{at}]!, {len}!, xzr",
            "setm [{at}]!, {len}!, xzr",
            "sete [{at}]!, {len}!, xzr",
            at = inout(reg) at => _,
            len = inout(reg) len => _,
            options(nostack)
        );
    }
}

/// By DC ZVA, eight blocks at a time: a frame is a whole number of eight blocks, which have at most 512 bytes.
///
/// # Safety
/// The memory is the caller's, whole frames of it.
unsafe fn zero_blocks(at: *mut u8, len: usize) {
    // SAFETY: the caller's memory.
    unsafe {
        asm!(
            "2:",
            ".rept 8",
            "dc zva, {at}",
            "add {at}, {at}, {block}",
            ".endr",
            "cmp {at}, {end}",
            "b.lo 2b",
            at = inout(reg) at => _,
            block = in(reg) zva_block(),
            end = in(reg) at.wrapping_add(len),
            options(nostack)
        );
    }
}

fn zva_block() -> usize {
    let dczid: u64;
    // SAFETY: reading DCZID_EL0 has no side effect.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) dczid, options(nomem, nostack, pure)) }
    4 << (dczid & 0xf)
}

/// Copies `bytes` to physical memory.
pub fn write_phys(to: PhysAddr, bytes: &[u8]) {
    // SAFETY: the caller owns the target, which is apart from anything Rust knows of.
    unsafe { linear(to).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// Fills `buf` from physical memory.
pub fn read_phys(from: PhysAddr, buf: &mut [u8]) {
    // SAFETY: the caller owns the source, which is apart from anything Rust knows of.
    unsafe { buf.as_mut_ptr().copy_from_nonoverlapping(linear(from), buf.len()) }
}

/// Copies one frame to another.
pub fn copy_page(to: PhysAddr, from: PhysAddr) {
    // SAFETY: two different frames, both the caller's.
    unsafe { linear(to).cast::<u64>().copy_from_nonoverlapping(linear(from).cast(), PAGE_SIZE / 8) }
}

/// Reads 64 bits that a device may write at the same time; `at` is a multiple of 8.
pub fn read_word(at: PhysAddr) -> u64 {
    // SAFETY: the caller owns the memory, which the linear map holds; Rust knows of no object there.
    unsafe { linear(at).cast::<u64>().read_volatile() }
}

/// Writes 64 bits at once, for a device that may read them at the same time; `at` is a multiple of 8. It sees what was
/// written before no later than this (Arm ARM B2.3.12).
pub fn write_word(at: PhysAddr, value: u64) {
    // SAFETY: a barrier changes nothing; the caller owns the memory, and Rust knows of no object there.
    unsafe {
        asm!("dmb oshst", options(nostack));
        linear(at).cast::<u64>().write_volatile(value);
    }
}

/// What the boot loader left in a range of physical memory; nothing for none.
pub fn boot_image(range: Option<Range<u64>>) -> &'static [u8] {
    let Some(range) = range else { return &[] };
    // SAFETY: the device tree says the initramfs is there; the range is kept from the allocators for good.
    unsafe {
        core::slice::from_raw_parts(linear(PhysAddr::new(range.start)), (range.end - range.start) as usize)
    }
}

/// The device tree blob at physical address `at`; nothing when there is none.
pub fn boot_blob(at: u64) -> &'static [u8] {
    if at == 0 || !at.is_multiple_of(8) {
        return &[];
    }
    let start = linear(PhysAddr::new(at));
    // SAFETY: the boot protocol puts a blob there, of at least a header, which says how long it is; the memory is
    // kept from the allocators.
    unsafe {
        let header = core::slice::from_raw_parts(start, 8);
        let magic = header[..4] == [0xd0, 0x0d, 0xfe, 0xed];
        let len = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if magic && len <= 2 << 20 { core::slice::from_raw_parts(start, len) } else { &[] }
    }
}
