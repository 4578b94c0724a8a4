//! The SMMUv3 (Arm IHI 0070; Linux: `drivers/iommu/arm/arm-smmu-v3`): the first stage alone, one context a stream, a stream
//! table in one piece for the first 256 streams. A stream that nobody attached is aborted and recorded.
//!
//! * [`entry`]: what it reads in memory; [`event`]: what it writes there; [`ring`]: where in a queue it is
//! * `registers`: bringing it up, its commands and events
#![forbid(unsafe_code)]

pub mod entry;
pub mod event;
#[cfg(target_os = "none")]
mod registers;
pub mod ring;

#[cfg(target_os = "none")]
pub use registers::Smmu;
