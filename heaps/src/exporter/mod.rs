//! The heaps every machine has.

#[cfg(all(test, not(feature = "loom")))]
mod tests;

mod cma;
mod loans;
mod region;
mod system;

pub use cma::{CmaHeap, Contiguous};
pub use region::{CmaRegion, LoanStats};
pub use system::SystemHeap;
