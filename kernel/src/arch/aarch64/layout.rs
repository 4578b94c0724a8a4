//! Where things are in the kernel's half of the address space.
//!
//! | from | what |
//! |---|---|
//! | `ffff_0000_0000_0000` | all of physical memory, one to one; page frames, the object heap, MMIO |
//! | `ffff_8000_8000_0000` | the kernel's image |
//! | `ffff_8000_8400_0000` | modules: every branch between them and the image is within 128 MiB |
//! | `ffff_8001_0000_0000` | kernel stacks, each above an unmapped guard |
//!
//! Bits 63:56 are ignored by translation (TCR_EL1.TBI1); bits 59:56 carry a memory tag, all-ones unchecked.

use heaps::PhysAddr;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
/// The linear map of physical memory.
pub const LINEAR_BASE: usize = 0xffff_0000_0000_0000;
/// The kernel's image, as linked.
pub const IMAGE_BASE: usize = 0xffff_8000_8000_0000;
/// Modules, up to the farthest address that a branch reaches from the image's first.
pub const MODULES_BASE: usize = IMAGE_BASE + (64 << 20);
/// Bytes of the modules' area.
pub const MODULES_SIZE: usize = 64 << 20;
/// Kernel stacks.
pub const STACKS_BASE: usize = 0xffff_8001_0000_0000;
/// Bytes of a kernel stack: the upper half of its 64 KiB slot.
pub const STACK_SIZE: usize = 32768;
/// First address past user space: user page tables translate 48 bits.
pub const USER_END: u64 = 1 << 48;

/// Where physical address `pa` is seen in the linear map.
#[inline]
pub const fn linear(pa: PhysAddr) -> *mut u8 {
    (LINEAR_BASE + pa.get() as usize) as *mut u8
}
