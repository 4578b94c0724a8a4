//! PCIe configuration space as memory (PCI Express Base Specification, 7.2.2): 4 KiB a function, in the order of bus,
//! device and function.

use core::ops::RangeInclusive;

use heaps::{PhysAddr, Result};
use pci_types::{ConfigRegionAccess, PciAddress};

use super::mmio::Mmio;

/// A host bridge's configuration space. Reading what is not there yields all ones, as on the bus; writing it, nothing.
pub struct Ecam {
    space: Mmio,
    buses: RangeInclusive<u8>,
}

impl Ecam {
    /// The configuration space of `buses` at `base`. `EINVAL` where that is not device memory.
    pub fn new(base: PhysAddr, buses: RangeInclusive<u8>) -> Result<Ecam> {
        let space = Mmio::new(base, (buses.len() as u64) << 20)?;
        Ok(Ecam { space, buses })
    }

    fn offset(&self, address: PciAddress, offset: u16) -> Option<usize> {
        let there = address.segment() == 0 && self.buses.contains(&address.bus()) && offset < 4096;
        let bus = address.bus().wrapping_sub(*self.buses.start());
        let function = usize::from(address.device()) << 3 | usize::from(address.function());
        there.then_some(usize::from(bus) << 20 | function << 12 | usize::from(offset) & !3)
    }

    /// Reads the 32 bits at `offset` of a function.
    pub fn read(&self, address: PciAddress, offset: u16) -> u32 {
        self.offset(address, offset).map_or(!0, |at| self.space.read32(at))
    }

    /// Writes the 32 bits at `offset` of a function.
    pub fn write(&self, address: PciAddress, offset: u16, value: u32) {
        if let Some(at) = self.offset(address, offset) {
            self.space.write32(at, value);
        }
    }
}

// Nothing is asked of the callers: an address or offset that is not there is taken as on the bus.
impl ConfigRegionAccess for Ecam {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        self.read(address, offset)
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        self.write(address, offset, value);
    }
}
