//! Devices that take part in DMA, and which heaps each can use: `/sys/class/dma_device/NAME/{dma_mask,heaps}`.
//!
//! Linux has no such listing: a program has to know by name which heap suits which device. Here a device says what it
//! reaches, a heap what its buffers are like, and the rest follows ([`heaps::Attributes::suits`]).
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use heaps::{DmaLimits, Platform, Result};

use super::dma_heap::{HEAPS, Kernel};
use crate::vfs::pseudo::{self, read_only};
use crate::vfs::sysfs;

/// Lists a device that stays: one that puts out addresses up to `mask`, and with them reaches what is within `limits`; the
/// two differ where an IOMMU translates. `EEXIST`, `ENOMEM`. May sleep.
pub fn register(name: &str, mask: u64, limits: &'static DmaLimits) -> Result<()> {
    let dir = pseudo::dir(sysfs::root()?, &format!("class/dma_device/{name}"))?;
    let mask = move || Ok(format!("{mask:#x}\n"));
    pseudo::add(&dir, "dma_mask", 0o444, read_only(mask))?;
    pseudo::add(&dir, "heaps", 0o444, read_only(move || heaps_for(limits)))
}

/// The names of the heaps whose every buffer a device can use, one a line. `ENOMEM`. May sleep.
fn heaps_for(limits: &DmaLimits) -> Result<String> {
    let mut text = String::new();
    for name in HEAPS.names()? {
        // One that is going is not listed any more.
        let Ok(attributes) = HEAPS.find(&name).and_then(|heap| heap.attributes()) else { continue };
        if attributes.suits(Kernel::memory(), limits) {
            text += &format!("{name}\n");
        }
    }
    Ok(text)
}
