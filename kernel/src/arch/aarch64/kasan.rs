//! The other detector: the compiler has every load and store checked against a shadow of the object heap, one byte
//! for eight of its bytes (LLVM's AddressSanitizer, as Linux's generic KASAN uses it; `mm/kasan/`).
//!
//! A shadow byte says how many of its eight bytes may be accessed, 0 for all; from 0x80 on, none, and why. Only
//! pointers that the heap handed out are looked up: they have [`CHECKED`] where others have all-ones, which
//! translation ignores (TCR_EL1.TBI1). So the allocator's own pointers go unchecked, as under memory tags they do.
//!
//! The checks are written in assembly, for what the compiler makes it would have checked. One that fails stops at a
//! BRK, which `exceptions` takes for what a tag check fault is otherwise.

use core::arch::global_asm;

use super::vectors::TrapFrame;

/// Bytes that share a shadow byte.
const GRANULE: usize = 8;
/// Bits 59:56 of a pointer that is checked.
const CHECKED: u8 = 1;
/// The same of one that is not.
const UNCHECKED: u8 = 0xf;
/// The shadow of freed objects.
const FREED: u8 = 0xfb;
/// The shadow of what is no object, and of what is left of an object's last granules.
const REDZONE: u8 = 0xfc;

/// BRK's immediate where a load is refused; one more where a store is.
const REFUSED: u64 = 0x900;

/// What the checks read: where the memory is that has a shadow, how much there is, and its shadow.
#[repr(C)]
struct Shadowed {
    base: usize,
    len: usize,
    shadow: *mut u8,
}

#[unsafe(no_mangle)]
static mut kasan_shadowed: Shadowed = Shadowed { base: 0, len: 0, shadow: core::ptr::null_mut() };

/// Bytes of shadow that `len` bytes of memory need.
pub const fn shadow_len(len: usize) -> usize {
    len.div_ceil(GRANULE)
}

/// Puts the memory at `base`, `len` bytes, under the checks: it has no objects yet. Once, at boot.
///
/// # Safety
/// No other CPU runs yet; the [`shadow_len`] bytes at `shadow` are mapped, writable, and nobody else's for good.
pub unsafe fn init(base: *mut u8, len: usize, shadow: *mut u8) {
    // SAFETY: the caller gives the shadow away, and nobody else reads the place meanwhile.
    unsafe {
        shadow.write_bytes(REDZONE, shadow_len(len));
        (&raw mut kasan_shadowed).write_volatile(Shadowed { base: base.addr(), len, shadow });
    }
}

fn shadowed() -> Shadowed {
    // SAFETY: written once, at boot, before other CPUs run.
    unsafe { (&raw const kasan_shadowed).read_volatile() }
}

/// `ptr` as nobody checks it.
#[inline]
pub fn unchecked(ptr: *const u8) -> *mut u8 {
    with_bits(ptr, UNCHECKED)
}

#[inline]
fn with_bits(ptr: *const u8, bits: u8) -> *mut u8 {
    ptr.cast_mut().map_addr(|a| a & !(0xf << 56) | (bits as usize) << 56)
}

/// Whether `ptr` cannot be what the heap handed out for the object of this tag. Without tags, nobody can tell.
#[inline]
pub fn is_anothers(_: *const u8, _: u8) -> bool {
    false
}

/// Lets the first `len` of the `room` bytes at `object` be accessed, and returns the pointer for that.
///
/// # Safety
/// The memory is the heap's, and no object's; `room` is a multiple of 16.
pub unsafe fn live(object: *mut u8, len: usize, room: usize, _tag: u8) -> *mut u8 {
    let (whole, rest) = (len / GRANULE, len % GRANULE);
    // SAFETY: the caller's memory is shadowed, and its shadow is the caller's as well.
    unsafe {
        mark(object, room, REDZONE);
        let shadow = shadow_of(object);
        shadow.write_bytes(0, whole);
        if rest != 0 {
            shadow.add(whole).write(rest as u8);
        }
    }
    with_bits(object, CHECKED)
}

/// Lets none of the `room` bytes at `object`, which was freed, be accessed.
///
/// # Safety
/// As for [`live`].
pub unsafe fn freed(object: *mut u8, room: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { mark(object, room, FREED) }
}

/// The same for memory that is no object any more.
///
/// # Safety
/// As for [`live`].
pub unsafe fn idle(object: *mut u8, room: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { mark(object, room, REDZONE) }
}

unsafe fn mark(object: *mut u8, room: usize, value: u8) {
    // SAFETY: the callers' memory is shadowed, whole granules of it.
    unsafe { shadow_of(object).write_bytes(value, room / GRANULE) }
}

/// The shadow of an address of the heap.
fn shadow_of(ptr: *const u8) -> *mut u8 {
    let Shadowed { base, shadow, .. } = shadowed();
    shadow.wrapping_add((unchecked(ptr).addr() - base) / GRANULE)
}

/// Whether the byte at `ptr` may be accessed through it.
pub fn allows(ptr: *const u8) -> bool {
    match state(ptr) {
        None | Some(0) => true,
        Some(first @ 1..0x80) => ptr.addr() % GRANULE < usize::from(first),
        Some(_) => false,
    }
}

/// The shadow byte of `ptr`, if that is checked.
fn state(ptr: *const u8) -> Option<u8> {
    let Shadowed { base, len, .. } = shadowed();
    let inside = unchecked(ptr).addr().checked_sub(base).is_some_and(|offset| offset < len);
    // SAFETY: the address has a shadow byte, which anybody may read.
    (inside && unchecked(ptr).cast_const() != ptr).then(|| unsafe { shadow_of(ptr).read() })
}

/// What a report says about the checked pointer `ptr` and the memory there.
pub fn describe(ptr: *const u8) -> impl core::fmt::Display {
    struct Shadow(Option<u8>);
    impl core::fmt::Display for Shadow {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            match self.0 {
                Some(FREED) => write!(f, "Shadow byte: [{FREED:02x}], a freed object"),
                Some(REDZONE) => write!(f, "Shadow byte: [{REDZONE:02x}], no object"),
                Some(first) => write!(f, "Shadow byte: [{first:02x}], so many of eight bytes"),
                None => write!(f, "Shadow byte: none"),
            }
        }
    }
    Shadow(state(ptr))
}

macro_rules! checks {
    ($($name:ident)*) => {
        // SAFETY: for their addresses alone; they are called by what the compiler makes.
        unsafe extern "C" {
            $(fn $name();)*
        }

        /// The checks by name, for modules, which the compiler has call them as well.
        pub fn symbols() -> impl Iterator<Item = (&'static str, usize)> {
            [$((stringify!($name), $name as *const () as usize)),*].into_iter()
        }
    };
}

checks! {
    __asan_load1 __asan_load2 __asan_load4 __asan_load8 __asan_load16 __asan_loadN
    __asan_store1 __asan_store2 __asan_store4 __asan_store8 __asan_store16 __asan_storeN
    __asan_memcpy __asan_memmove __asan_memset __asan_handle_no_return
}

/// A check that failed.
pub struct Refused {
    /// The first byte of the access.
    pub addr: u64,
    /// A store.
    pub write: bool,
    /// Where the access would have been made.
    pub pc: u64,
}

/// What the exception with syndrome `esr` says of a check, if it is one's. When the exception returns, the access is
/// made: the frame leads past the BRK.
pub fn refused(esr: u64, frame: &mut TrapFrame) -> Option<Refused> {
    const EC_BRK: u64 = 0x3c;
    let immediate = esr & 0xffff;
    if esr >> 26 & 0x3f != EC_BRK || immediate & !1 != REFUSED {
        return None;
    }
    frame.elr += 4;
    Some(Refused { addr: frame.x[0], write: immediate & 1 == 1, pc: frame.x[30] })
}

global_asm!(
    r#"
    .text
    // Checks the x1 bytes from x0 on. X0 to X8 and X30 stay as they are.
    .macro check_access brk_imm
    ubfx    x9, x0, #56, #4
    cmp     x9, #{unchecked}
    b.eq    3f
    cbz     x1, 3f
    adrp    x9, kasan_shadowed
    add     x9, x9, :lo12:kasan_shadowed
    ldp     x10, x11, [x9]              // base, bytes
    ldr     x12, [x9, #16]              // shadow
    orr     x9, x0, #0x0f00000000000000
    sub     x9, x9, x10                 // the first byte's offset
    cmp     x9, x11
    b.hs    3f
    add     x10, x9, x1
    sub     x10, x10, #1                // the last one's
    lsr     x13, x9, #3
    lsr     x14, x10, #3
1:  ldrsb   w15, [x12, x13]
    cmp     x13, x14
    b.eq    2f
    add     x13, x13, #1
    cbz     w15, 1b
    b       4f
2:  cbz     w15, 3f
    and     w16, w10, #7
    cmp     w16, w15                    // what is poisoned is negative
    b.lt    3f
4:  brk     #\brk_imm
3:
    .endm

    .macro checks size
    .global __asan_load\size
__asan_load\size:
    mov     x1, #\size
    check_access {load}
    ret
    .global __asan_store\size
__asan_store\size:
    mov     x1, #\size
    check_access {store}
    ret
    .endm

    checks  1
    checks  2
    checks  4
    checks  8
    checks  16

    .global __asan_loadN
__asan_loadN:
    check_access {load}
    ret
    .global __asan_storeN
__asan_storeN:
    check_access {store}
    ret

    .macro copies name
    .global __asan_\name
__asan_\name:
    mov     x3, x0
    mov     x4, x1
    mov     x1, x2
    check_access {store}
    mov     x0, x4
    check_access {load}
    mov     x0, x3
    mov     x1, x4
    b       \name
    .endm

    copies  memcpy
    copies  memmove

    .global __asan_memset
__asan_memset:
    mov     x4, x1
    mov     x1, x2
    check_access {store}
    mov     x1, x4
    b       memset

    .global __asan_handle_no_return
__asan_handle_no_return:
    ret
    "#,
    unchecked = const UNCHECKED,
    load = const REFUSED,
    store = const REFUSED + 1,
);
