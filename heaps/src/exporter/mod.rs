//! The heaps every machine has.

mod cma;
mod system;

pub use cma::{CmaHeap, CmaRegion};
pub use system::SystemHeap;
