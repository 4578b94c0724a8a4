//! QEMU's `edu` PCI device behind `/dev/edu`: a device that reads and writes dma-bufs by DMA of its own.
//!
//! * [`uapi`](heaps::uapi::edu): the ioctls
//! * [`device`]: the registers
//! * `transfer`: moving bytes; `jobs`: in nobody's time
//! * `importer`: the device as a buffer knows it
//! * `file`: an open `/dev/edu`
#![forbid(unsafe_code)]

pub mod device;
mod file;
mod importer;
mod jobs;
mod transfer;

use alloc::boxed::Box;

use heaps::{CdevOps, DmaLimits, Errno, Result};
use spin::Once;

use super::dma_device;
use super::dma_heap::Kernel;
use super::pci::Function;
use crate::chrdev::{self, CdevRef, DevT};
use crate::sched;
use crate::vfs::FileOps;
use device::Edu;
use file::OpenEdu;

/// The device's vendor and number.
pub const ID: (u16, u16) = (0x1234, 0x11e8);
/// A miscellaneous device's, as udev would call it.
const NUMBER: DevT = DevT::new(10, 125);
/// How many address lines QEMU's device has unless its `dma_mask` says otherwise; it does not tell.
const ADDRESS_BITS: u32 = 28;

/// What a device reaches whose addresses are translated.
static EVERYTHING: DmaLimits = DmaLimits::of_bits(64);

static EDU: Once<Edu> = Once::new();

/// Takes a device up, the first of its kind, whose DMA unit has as many address lines as the command line's
/// `edu.dma_bits` says. `ENODEV` where it is none, `EBUSY` for a second, and what publishing it says. At boot.
pub fn probe(function: &Function<'_>, address_bits: Option<u32>) -> Result<()> {
    if EDU.get().is_some() {
        return Err(Errno::EBUSY);
    }
    let bits = address_bits.unwrap_or(ADDRESS_BITS).clamp(1, 64);
    let mut device = Edu::new(function.registers(0)?, bits)?;
    device.iommu = function.attach_iommu("edu", bits)?;
    let device = EDU.call_once(|| device);
    device.set_interrupt(function.enable_interrupt(device)?);
    sched::spawn_kernel(work)?;
    function.enable_master();
    chrdev::register("edu", NUMBER, 0o600, &Node)?;
    // Behind an IOMMU it reaches everything, wherever that is.
    let reaches = if device.iommu.is_some() { &EVERYTHING } else { &device.limits };
    dma_device::register("edu", *device.limits.addresses.end(), reaches)
}

/// What the device's task does.
extern "C" fn work() -> ! {
    let device = EDU.get().expect("the device is there before its task");
    device.jobs.work(device)
}

/// Waits until the device does nothing that nobody waits for. May sleep.
pub fn settle() {
    if let Some(device) = EDU.get() {
        device.jobs.settle();
    }
}

struct Node;

impl CdevOps<Kernel> for Node {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenEdu::new(EDU.get().ok_or(Errno::ENXIO)?)))
    }
}
