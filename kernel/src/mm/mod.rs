//! Memory: page frames, the kernel object heap, address spaces, and the way to user memory.

pub mod admit;
pub mod aspace;
#[cfg(target_os = "none")]
pub mod boot;
pub mod commit;
#[cfg(target_os = "none")]
pub mod dma_memory;
pub mod fallible;
#[cfg(target_os = "none")]
pub mod frames;
#[cfg(not(target_os = "none"))]
#[path = "frames_host.rs"]
pub mod frames;
pub mod in_flight;
pub mod loans;
#[cfg_attr(not(target_os = "none"), path = "module_host.rs")]
pub mod module;
#[cfg(target_os = "none")]
pub mod object;
pub mod prot;
pub mod spaces;
#[cfg(target_os = "none")]
pub mod stack;
pub mod user;
pub mod vma;
pub mod vma_tree;

pub use aspace::AddressSpace;
pub use heaps::{PAGE_SIZE, PhysAddr};
pub use prot::{MemKind, Prot};
