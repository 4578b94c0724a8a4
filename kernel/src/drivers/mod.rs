//! Drivers: what the device nodes lead to.
#![forbid(unsafe_code)]

pub mod console;
pub mod dma_device;
pub mod dma_heap;
pub mod drm;
#[cfg(target_os = "none")]
pub mod edu;
#[cfg(target_os = "none")]
pub mod fw_cfg;
pub mod import;
pub mod interrupts;
pub mod iommu;
pub mod kmsg;
pub mod mem;
pub mod pci;
#[cfg(target_os = "none")]
pub mod ramfb;
pub mod udmabuf;
