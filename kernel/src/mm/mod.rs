//! Memory: page frames, the kernel object heap, address spaces, and the way to user memory.

#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
pub mod frames;
#[cfg(target_os = "none")]
pub mod object;
pub mod prot;
#[cfg(target_os = "none")]
pub mod stack;
pub mod user;

pub use heaps::{PAGE_SIZE, PhysAddr};
pub use prot::{MemKind, Prot};
