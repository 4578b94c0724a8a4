//! The heaps every machine has.

#[cfg(all(test, not(feature = "loom")))]
mod tests;

mod cma;
mod system;

pub use cma::{CmaHeap, CmaRegion, Contiguous};
pub use system::SystemHeap;
