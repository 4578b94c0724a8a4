//! Memory tags: each 16 bytes of the object heap carry four bits that a pointer must carry too (Arm ARM D10).

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use tock_registers::{LocalRegisterCopy, register_bitfields};

/// Bytes that share a tag.
pub const GRANULE: usize = 16;
/// The tag of a pointer that is not checked.
pub const UNCHECKED: u8 = 0xf;

static PRESENT: AtomicBool = AtomicBool::new(false);

register_bitfields! { u64, Pfr1 [ MTE OFFSET(8) NUMBITS(4) [] ] }

/// Looks whether this machine has tags in memory (ID_AA64PFR1_EL1.MTE of 2 or more).
pub fn init() {
    let pfr1: u64;
    // SAFETY: reading an identification register has no side effect.
    unsafe { asm!("mrs {}, id_aa64pfr1_el1", out(reg) pfr1, options(nomem, nostack)) }
    let value = LocalRegisterCopy::<u64, Pfr1::Register>::new(pfr1);
    PRESENT.store(value.read(Pfr1::MTE) >= 2, Ordering::Relaxed);
}

/// Whether this machine checks tags.
#[inline]
pub fn present() -> bool {
    PRESENT.load(Ordering::Relaxed)
}

/// `ptr` with tag `tag`.
#[inline]
pub fn with_tag(ptr: *mut u8, tag: u8) -> *mut u8 {
    ptr.map_addr(|a| a & !(0xf << 56) | (tag as usize) << 56)
}

/// The tag `ptr` carries.
#[inline]
pub fn tag_of(ptr: *const u8) -> u8 {
    (ptr.addr() >> 56) as u8 & 0xf
}

/// Gives the memory from `ptr` on, `len` bytes, the tag `tag`.
///
/// # Safety
/// `ptr` and `len` are multiples of [`GRANULE`]; the memory is mapped tagged and belongs to the caller.
#[inline]
pub unsafe fn set_tags(ptr: *mut u8, len: usize, tag: u8) {
    if !present() {
        return;
    }
    let mut at = with_tag(ptr, tag);
    let end = at.wrapping_add(len);
    while at < end {
        // SAFETY: the caller vouches for the range; STG writes tags only.
        unsafe { asm!(".arch_extension memtag", "stg {0}, [{0}]", in(reg) at, options(nostack)) }
        at = at.wrapping_add(GRANULE);
    }
}

/// The tag of the memory at `ptr`, which is mapped.
pub fn memory_tag(ptr: *const u8) -> u8 {
    if !present() {
        return UNCHECKED;
    }
    let mut at = ptr;
    // SAFETY: LDG reads a tag; the memory is mapped.
    unsafe { asm!(".arch_extension memtag", "ldg {0}, [{0}]", inout(reg) at, options(nostack, readonly)) }
    tag_of(at)
}
