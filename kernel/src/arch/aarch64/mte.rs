//! Memory tags: each 16 bytes of the object heap carry four bits that a pointer must carry too (Arm ARM D10).

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use tock_registers::{LocalRegisterCopy, register_bitfields};

/// Bytes that share a tag.
pub const GRANULE: usize = 16;
/// The tag of a pointer that is not checked.
pub const UNCHECKED: u8 = 0xf;
/// Live objects have tags from 1 to this.
pub const LIVE_TAGS: u8 = 13;
/// The tag of freed objects.
const FREED_TAG: u8 = 14;
/// The tag of memory that is no object.
const IDLE_TAG: u8 = 0;

static PRESENT: AtomicBool = AtomicBool::new(false);
static IN_HARDWARE: AtomicBool = AtomicBool::new(false);
static EXACT: AtomicBool = AtomicBool::new(false);

register_bitfields! { u64, Pfr1 [ MTE OFFSET(8) NUMBITS(4) [] ] }

/// Looks whether this machine has tags in memory (ID_AA64PFR1_EL1.MTE of 2 or more).
pub fn init() {
    let pfr1: u64;
    // SAFETY: reading an identification register has no side effect.
    unsafe { asm!("mrs {}, id_aa64pfr1_el1", out(reg) pfr1, options(nomem, nostack)) }
    let value = LocalRegisterCopy::<u64, Pfr1::Register>::new(pfr1);
    let level = value.read(Pfr1::MTE);
    // Tag checks are switched on at every exception entry by an instruction that MTE brings.
    assert!(level >= 1, "this CPU has no memory tagging extension; run with -cpu max");
    PRESENT.store(level >= 2, Ordering::Relaxed);
    IN_HARDWARE.store(level >= 2, Ordering::Relaxed);
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
    if len & GRANULE != 0 {
        // SAFETY: the caller vouches for the range; STG writes tags only.
        unsafe { asm!(".arch_extension memtag", "stg {0}, [{0}], #16", inout(reg) at, options(nostack)) }
    }
    while at < end {
        // SAFETY: as above, for two granules.
        unsafe { asm!(".arch_extension memtag", "st2g {0}, [{0}], #32", inout(reg) at, options(nostack)) }
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

/// `ptr` as nobody checks it.
#[inline]
pub fn unchecked(ptr: *const u8) -> *mut u8 {
    with_tag(ptr.cast_mut(), UNCHECKED)
}

/// Whether `ptr` cannot be what the heap handed out for an object with the tag `tag`.
#[inline]
pub fn is_anothers(ptr: *const u8, tag: u8) -> bool {
    present() && tag_of(ptr) != tag
}

/// Gives the `room` bytes at `object`, of which an object is to have `_len`, the tag `tag`, and returns the pointer for
/// it.
///
/// # Safety
/// The memory is the heap's, and no object's; `room` is a multiple of [`GRANULE`].
#[inline]
pub unsafe fn live(object: *mut u8, _len: usize, room: usize, tag: u8) -> *mut u8 {
    // SAFETY: the caller vouches for it.
    unsafe { set_tags(object, room, tag) };
    if present() { with_tag(object, tag) } else { object }
}

/// Takes the tag from the `room` bytes at `object`, which was freed.
///
/// # Safety
/// As for [`live`].
#[inline]
pub unsafe fn freed(object: *mut u8, room: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { set_tags(object, room, FREED_TAG) }
}

/// The same for memory that is no object any more.
///
/// # Safety
/// As for [`live`].
pub unsafe fn idle(object: *mut u8, room: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { set_tags(object, room, IDLE_TAG) }
}

/// Whether the byte at `ptr` may be accessed through it.
pub fn allows(ptr: *const u8) -> bool {
    !present() || tag_of(ptr) == UNCHECKED || tag_of(ptr) == memory_tag(ptr)
}

/// What a report says about the checked pointer `ptr` and the memory there.
pub fn describe(ptr: *const u8) -> impl core::fmt::Display {
    struct Tags(u8, u8);
    impl core::fmt::Display for Tags {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "Pointer tag: [{:x}], memory tag: [{:x}]", self.0, self.1)
        }
    }
    Tags(tag_of(ptr), memory_tag(ptr))
}

/// Whether the machine says it has tags, exact or not.
pub fn in_hardware() -> bool {
    IN_HARDWARE.load(Ordering::Relaxed)
}

/// Whether each granule has a tag of its own. QEMU before 8.0 keeps one for every second granule of a page.
pub fn are_exact() -> bool {
    EXACT.load(Ordering::Relaxed)
}

/// Tries tags out on the page at `page`.
///
/// # Safety
/// The page is mapped tagged and belongs to the caller.
pub unsafe fn probe(page: *mut u8) {
    // SAFETY: the caller's page.
    unsafe {
        set_tags(page, 4 * GRANULE, 1);
        set_tags(page.add(2 * GRANULE), GRANULE, 2);
        EXACT.store(memory_tag(page) == 1 && memory_tag(page.add(2 * GRANULE)) == 2, Ordering::Relaxed);
        set_tags(page, 4 * GRANULE, 0);
    }
    if !are_exact() {
        PRESENT.store(false, Ordering::Relaxed);
    }
}
