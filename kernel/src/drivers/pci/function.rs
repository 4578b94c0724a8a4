//! A device's function on the bus, and the search for all of them.
#![forbid(unsafe_code)]

use core::ops::Range;

use heaps::{Errno, PhysAddr, Result};
use pci_types::{CommandRegister, EndpointHeader, PciAddress, PciHeader};

use super::bars::{self, BARS};
use super::windows::{Assigned, Windows};
use crate::arch::ecam::Ecam;
use crate::arch::gic;
use crate::arch::mmio::Mmio;
use crate::drivers::interrupts::{self, Handler};
use crate::drivers::iommu::{self, Domain};
use crate::dt::iommu::Smmu;
use crate::dt::pci::{PciHost, Window};

/// A function with its addresses and interrupt. It neither answers nor masters the bus until its driver says so.
pub struct Function<'a> {
    ecam: &'a Ecam,
    address: PciAddress,
    /// Vendor and device.
    pub id: (u16, u16),
    bars: [Option<Assigned>; BARS],
    interrupt: Option<u32>,
    /// What its accesses are to the IOMMU, if there is one before it.
    stream: Option<u32>,
    host: &'a PciHost<'a>,
}

impl Function<'_> {
    /// The registers behind base address register `n`, which the function answers for from here on. `ENODEV` where
    /// it has none, or there was no room.
    pub fn registers(&self, n: usize) -> Result<Mmio> {
        let bar = self.bars.get(n).copied().flatten().ok_or(Errno::ENODEV)?;
        let registers = Mmio::new(PhysAddr::new(bar.cpu), bar.len)?;
        self.command(|command| command | CommandRegister::MEMORY_ENABLE);
        Ok(registers)
    }

    /// Lets the function reach memory.
    pub fn enable_master(&self) {
        self.command(|command| command | CommandRegister::BUS_MASTER_ENABLE);
    }

    /// Lets the function, called `name`, which drives `bits` address lines, reach what will be mapped for it, if it is behind
    /// an IOMMU. Otherwise it reaches all of memory that it can address. `EBUSY`, `ENODEV`, `ENOMEM`.
    pub fn attach_iommu(&self, name: &'static str, bits: u32) -> Result<Option<&'static Domain>> {
        let Some(stream) = self.stream else {
            log::info!("{name}: no IOMMU before it: it reaches all of memory that it can address");
            return Ok(None);
        };
        // What a bridge passes on to other devices does not come to the IOMMU.
        let holes: fn(_) -> Range<u64> = |window: &Window| window.bus..window.bus + window.len;
        iommu::attach(name, stream, bits, self.host.memory.iter().map(holes)).map(Some)
    }

    /// Lets `handler` have the function's interrupts, for good. `ENODEV` where it has no line, `EBUSY`.
    pub fn enable_interrupt(&self, handler: &'static dyn Handler) -> Result<u32> {
        let line = self.interrupt.ok_or(Errno::ENODEV)?;
        interrupts::handle(line, handler)?;
        self.command(|command| command - CommandRegister::INTERRUPT_DISABLE);
        gic::enable_spi(line);
        Ok(line)
    }

    fn command(&self, change: impl FnOnce(CommandRegister) -> CommandRegister) {
        PciHeader::new(self.address).update_command(self.ecam, change);
    }
}

/// Finds every endpoint on the root bus, gives it memory and its interrupt, and calls `probe` with it. `smmu` is the IOMMU
/// that is at work, if there is one. Once, at boot.
/// `EINVAL` where the device tree's configuration space is none. May sleep.
pub fn init(host: &PciHost<'_>, smmu: Option<&Smmu>, mut probe: impl FnMut(&Function<'_>)) -> Result<()> {
    let ecam = Ecam::new(PhysAddr::new(host.ecam.start), host.buses.clone())?;
    let mut windows = Windows::new(&host.memory);
    for device in 0..32 {
        let address = |function| PciAddress::new(0, *host.buses.start(), device, function);
        if !is_there(&ecam, address(0)) {
            continue;
        }
        let many = PciHeader::new(address(0)).has_multiple_functions(&ecam);
        for address in (0..if many { 8 } else { 1 }).map(address) {
            if is_there(&ecam, address)
                && let Some(mut function) = set_up(&ecam, address, host, &mut windows)
            {
                function.stream = smmu.and_then(|smmu| host.stream(requester(address), smmu));
                probe(&function);
            }
        }
    }
    Ok(())
}

/// Bus, device and function in one number.
fn requester(address: PciAddress) -> u16 {
    u16::from(address.bus()) << 8 | u16::from(address.device()) << 3 | u16::from(address.function())
}

fn is_there(ecam: &Ecam, address: PciAddress) -> bool {
    PciHeader::new(address).id(ecam).0 != 0xffff
}

/// An endpoint, set up; bridges are left alone, and what is behind them.
fn set_up<'a>(
    ecam: &'a Ecam,
    address: PciAddress,
    host: &'a PciHost<'a>,
    windows: &mut Windows,
) -> Option<Function<'a>> {
    let id = PciHeader::new(address).id(ecam);
    let mut endpoint = EndpointHeader::from_header(PciHeader::new(address), ecam)?;
    endpoint.update_command(ecam, |command| {
        let active =
            CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE;
        (command - active) | CommandRegister::INTERRUPT_DISABLE
    });
    let bars = bars::assign(ecam, address, windows);
    let pin = endpoint.interrupt(ecam).0;
    let interrupt = host.interrupt(address.device(), pin);
    log::info!("pci {address}: {:04x}:{:04x}, interrupt {interrupt:?}", id.0, id.1);
    Some(Function { ecam, address, id, bars, interrupt, stream: None, host })
}
