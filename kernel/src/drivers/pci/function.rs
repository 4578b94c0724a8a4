//! A device's function on the bus, and the search for all of them.
#![forbid(unsafe_code)]

use heaps::{Errno, PhysAddr, Result};
use pci_types::{CommandRegister, EndpointHeader, PciAddress, PciHeader};

use super::bars::{self, BARS};
use super::windows::{Assigned, Windows};
use crate::arch::ecam::Ecam;
use crate::arch::gic;
use crate::arch::mmio::Mmio;
use crate::drivers::interrupts::{self, Handler};
use crate::dt::pci::PciHost;

/// A function with its addresses and interrupt. It neither answers nor masters the bus until its driver says so.
pub struct Function<'a> {
    ecam: &'a Ecam,
    address: PciAddress,
    /// Vendor and device.
    pub id: (u16, u16),
    bars: [Option<Assigned>; BARS],
    interrupt: Option<u32>,
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

/// Finds every endpoint on the root bus, gives it memory and its interrupt, and calls `probe` with it. Once, at boot.
/// `EINVAL` where the device tree's configuration space is none. May sleep.
pub fn init(host: &PciHost<'_>, mut probe: impl FnMut(&Function<'_>)) -> Result<()> {
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
                && let Some(function) = set_up(&ecam, address, host, &mut windows)
            {
                probe(&function);
            }
        }
    }
    Ok(())
}

fn is_there(ecam: &Ecam, address: PciAddress) -> bool {
    PciHeader::new(address).id(ecam).0 != 0xffff
}

/// An endpoint, set up; bridges are left alone, and what is behind them.
fn set_up<'a>(
    ecam: &'a Ecam,
    address: PciAddress,
    host: &PciHost<'_>,
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
    Some(Function { ecam, address, id, bars, interrupt })
}
