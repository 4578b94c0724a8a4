//! Memory: page frames, the kernel object heap, address spaces, and the way to user memory.

pub mod aspace;
pub mod commit;
#[cfg(not(target_os = "none"))]
#[path = "frames_host.rs"]
pub mod frames;
pub mod prot;
pub mod user;
pub mod vma;
pub mod vma_tree;

pub use aspace::AddressSpace;
pub use heaps::{PAGE_SIZE, PhysAddr};
pub use prot::{MemKind, Prot};
