//! The IOMMU: what stands between devices and memory, and lets them reach what was mapped for them and nothing else.
//! Models `drivers/iommu`, and of the `dma-iommu.c` there what a dma-buf's importer needs.
//!
//! * [`smmu`]: the hardware
//! * [`addresses`], [`table`]: which addresses a device has, and where they lead; [`space`]: both
//! * `domain`: a device behind the IOMMU, and what is mapped for it; faults, and who is told of them
//! * [`gone`]: what was mapped before; [`reported`]: how many faults are told
#![forbid(unsafe_code)]

pub mod addresses;
#[cfg(target_os = "none")]
mod domain;
pub mod gone;
pub mod reported;
pub mod smmu;
pub mod space;
pub mod table;

#[cfg(target_os = "none")]
pub use domain::{Domain, Mapped, attach, init};
