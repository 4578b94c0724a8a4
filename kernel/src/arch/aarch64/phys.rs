//! Reading and writing physical memory through the linear map. Callers own the frames they name.

use core::arch::asm;
use core::ops::Range;

use heaps::{PAGE_SIZE, PhysAddr};

use super::layout::linear;

/// Zeroes whole frames by DC ZVA, the largest store the machine has.
pub fn zero_pages(start: PhysAddr, pages: usize) {
    let block = zva_block();
    let mut at = linear(start);
    let end = at.wrapping_add(pages * PAGE_SIZE);
    while at < end {
        // SAFETY: the caller owns the frames, which the linear map holds as normal memory.
        unsafe { asm!("dc zva, {}", in(reg) at, options(nostack)) }
        at = at.wrapping_add(block);
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

/// What the boot loader left in a range of physical memory; nothing for none.
pub fn boot_image(range: Option<Range<u64>>) -> &'static [u8] {
    let Some(range) = range else { return &[] };
    // SAFETY: the device tree says the initramfs is there; the range is kept from the allocators for good.
    unsafe {
        core::slice::from_raw_parts(linear(PhysAddr::new(range.start)), (range.end - range.start) as usize)
    }
}
