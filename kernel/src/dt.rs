//! The device tree: what this machine has and where. A damaged blob yields an error, never a panic.

pub mod iommu;
pub mod pci;

use core::ops::Range;

use arrayvec::ArrayVec;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

use iommu::Smmu;
use pci::PciHost;

/// Memory ranges, in bytes of the physical address space.
pub type Ranges = ArrayVec<Range<u64>, 16>;

/// A device's registers and interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// First register.
    pub base: u64,
    /// Bytes.
    pub len: u64,
    /// Its GIC interrupt number, or 0.
    pub interrupt: u32,
}

/// How many reservations a machine can have.
pub const MOST_RESERVED: usize = 32;

/// What memory was set aside for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Something the kernel knows nothing of.
    Unknown,
    /// Contiguous buffers (`shared-dma-pool`, `reusable`).
    Pool {
        /// The one of those who name none (`linux,cma-default`).
        default: bool,
    },
    /// A heap's own (`lastref,carveout`).
    Carveout,
    /// A heap's own that user space cannot map (`lastref,protected`).
    Protected,
}

/// Memory that a `/reserved-memory` node, or the blob's own list of reservations, sets aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved<'a> {
    /// Where.
    pub range: Range<u64>,
    /// What for.
    pub purpose: Purpose,
    /// The node's whole name, as Linux calls the region by; empty for a reservation without a node.
    pub name: &'a str,
}

/// A machine, as its device tree tells.
#[derive(Debug, Default)]
pub struct Machine<'a> {
    /// RAM.
    pub ram: Ranges,
    /// What of it is set aside.
    pub reserved: ArrayVec<Reserved<'a>, MOST_RESERVED>,
    /// Affinity numbers of the CPUs, the boot CPU's among them.
    pub cpus: ArrayVec<u64, 16>,
    /// The GICv3 distributor.
    pub distributor: Device,
    /// The GICv3 redistributors.
    pub redistributors: Device,
    /// The PL011 console.
    pub uart: Device,
    /// The PL031 clock; its base is 0 where there is none.
    pub rtc: Device,
    /// The PCIe host bridge, if there is one.
    pub pci: Option<PciHost<'a>>,
    /// The IOMMU that stands before it, if there is one.
    pub smmu: Option<Smmu>,
    /// QEMU's firmware configuration; its base is 0 where there is none.
    pub fw_cfg: Device,
    /// Random bytes of the boot loader's (`rng-seed`, `kaslr-seed`).
    pub seed: ArrayVec<u8, 64>,
    /// Whether PSCI is called by SMC, as where we start at EL2, rather than by HVC.
    pub psci_by_smc: bool,
    /// The command line.
    pub bootargs: &'a str,
    /// The initramfs.
    pub initrd: Option<Range<u64>>,
}

/// Why a device tree cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is no device tree, or a damaged one.
    Damaged,
    /// It describes no memory.
    NoMemory,
    /// It has more than [`MOST_RESERVED`] reservations: what is not known would be overwritten.
    TooManyReserved,
}

impl<'a> Machine<'a> {
    /// Reads a device tree blob.
    pub fn read(blob: &'a [u8]) -> Result<Machine<'a>, Error> {
        let fdt = Fdt::new(blob).map_err(|_| Error::Damaged)?;
        let mut machine = Machine::default();
        let root = fdt.root();
        for node in root.children() {
            let kind = node.property("device_type").and_then(|p| p.value_as::<&str>().ok());
            if kind == Some("memory") {
                machine.ram.extend(
                    regs(node)
                        .map(|(at, len)| at..at.saturating_add(len))
                        .take(machine.ram.remaining_capacity()),
                );
            } else if compatible(node, "arm,gic-v3") {
                let mut regs = regs(node);
                machine.distributor = device(regs.next(), 0);
                machine.redistributors = device(regs.next(), 0);
            } else if compatible(node, "arm,pl011") && machine.uart.base == 0 {
                machine.uart = device(regs(node).next(), interrupt(node));
            } else if compatible(node, "arm,pl031") && machine.rtc.base == 0 {
                machine.rtc = device(regs(node).next(), interrupt(node));
            } else if compatible(node, "qemu,fw-cfg-mmio") {
                machine.fw_cfg = device(regs(node).next(), 0);
            }
        }
        let psci = fdt.find_node("/psci").and_then(|node| node.property("method"));
        machine.psci_by_smc = psci.is_some_and(|method| method.value_as::<&str>() == Ok("smc"));
        machine.read_cpus(fdt);
        machine.pci = PciHost::read(fdt);
        machine.smmu = Smmu::read(root);
        machine.read_reserved(fdt)?;
        if let Some(chosen) = fdt.find_node("/chosen") {
            machine.read_chosen(chosen);
        }
        machine.ram.retain(|range| !range.is_empty());
        if machine.ram.is_empty() { Err(Error::NoMemory) } else { Ok(machine) }
    }

    fn read_cpus(&mut self, fdt: Fdt<'a>) {
        for node in fdt.find_node("/cpus").iter().flat_map(|cpus| cpus.children()) {
            let is_cpu = node.property("device_type").and_then(|p| p.value_as::<&str>().ok()) == Some("cpu");
            if let (true, Some(mpidr)) = (is_cpu, number(&node, "reg")) {
                let _ = self.cpus.try_push(mpidr);
            }
        }
    }

    fn read_reserved(&mut self, fdt: Fdt<'a>) -> Result<(), Error> {
        for reservation in fdt.memory_reservations() {
            let (at, len) = (reservation.address(), reservation.size());
            self.reserve(at, len, Purpose::Unknown, "")?;
        }
        for node in fdt.find_node("/reserved-memory").iter().flat_map(|nodes| nodes.children()) {
            for (at, len) in regs(node) {
                self.reserve(at, len, purpose(node), node.name())?;
            }
        }
        Ok(())
    }

    fn reserve(&mut self, at: u64, len: u64, purpose: Purpose, name: &'a str) -> Result<(), Error> {
        let reserved = Reserved { range: at..at.saturating_add(len), purpose, name };
        self.reserved.try_push(reserved).map_err(|_| Error::TooManyReserved)
    }

    fn read_chosen(&mut self, chosen: FdtNode<'a>) {
        for property in chosen.properties() {
            match property.name() {
                "bootargs" => self.bootargs = property.value_as::<&str>().unwrap_or(""),
                "rng-seed" | "kaslr-seed" => {
                    let room = self.seed.remaining_capacity();
                    self.seed.extend(property.value().iter().copied().take(room));
                }
                _ => {}
            }
        }
        let initrd = (number(&chosen, "linux,initrd-start"), number(&chosen, "linux,initrd-end"));
        if let (Some(start), Some(end)) = initrd {
            self.initrd = (start < end).then_some(start..end);
        }
    }
}

fn purpose(node: FdtNode<'_>) -> Purpose {
    let has = |name| node.property(name).is_some();
    if compatible(node, "shared-dma-pool") && has("reusable") {
        Purpose::Pool { default: has("linux,cma-default") }
    } else if compatible(node, "lastref,carveout") {
        Purpose::Carveout
    } else if compatible(node, "lastref,protected") {
        Purpose::Protected
    } else {
        Purpose::Unknown
    }
}

fn compatible(node: FdtNode<'_>, what: &str) -> bool {
    node.compatible().is_some_and(|mut names| names.any(|name| name == what))
}

/// A node's registers: address and length in bytes.
fn regs(node: FdtNode<'_>) -> impl Iterator<Item = (u64, u64)> {
    let regs = node.reg().ok().flatten();
    regs.into_iter().flatten().filter_map(|reg| Some((reg.address().ok()?, reg.size().ok()?)))
}

fn device(reg: Option<(u64, u64)>, interrupt: u32) -> Device {
    let (base, len) = reg.unwrap_or_default();
    Device { base, len, interrupt }
}

/// The first of a node's `interrupts`: shared peripheral interrupt n is number n + 32.
fn interrupt(node: FdtNode<'_>) -> u32 {
    let value = node.property("interrupts").map(|p| word(p.value(), 4) as u32);
    value.map_or(0, |n| n.saturating_add(32))
}

/// A property as it stands in the blob; nothing where there is none.
fn bytes<'a>(node: FdtNode<'a>, name: &str) -> &'a [u8] {
    node.property(name).and_then(|property| property.value_as().ok()).unwrap_or(&[])
}

/// A property of one or two cells.
fn number(node: &FdtNode<'_>, name: &str) -> Option<u64> {
    let property = node.property(name)?;
    match property.value().len() {
        4 => Some(word(property.value(), 0)),
        8 => Some(word(property.value(), 0) << 32 | word(property.value(), 4)),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let cell = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
    u64::from(u32::from_be_bytes(cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
    use proptest::prelude::*;

    #[test]
    fn garbage_is_refused() {
        assert_eq!(Machine::read(&[]).unwrap_err(), Error::Damaged);
        assert_eq!(Machine::read(&[0xd0; 64]).unwrap_err(), Error::Damaged);
    }

    #[test]
    fn a_region_has_its_nodes_whole_name() {
        let node = |name: &str, properties: &[(&str, &[u8])]| {
            let mut node = DeviceTreeNode::new(name).unwrap();
            for (name, value) in properties {
                node.add_property(DeviceTreeProperty::new_unchecked(*name, *value));
            }
            node
        };
        let one_cell: [(&str, &[u8]); 2] =
            [("#address-cells", &[0, 0, 0, 1]), ("#size-cells", &[0, 0, 0, 1])];
        let mut regions = node("reserved-memory", &one_cell);
        for name in ["camera@50000000", "video"] {
            regions.add_child(node(name, &[("reg", &[0x50, 0, 0, 0, 0, 0x20, 0, 0])]));
        }
        let mut tree = DeviceTree::new();
        for (name, value) in one_cell {
            tree.root.add_property(DeviceTreeProperty::new_unchecked(name, value));
        }
        let ram: [(&str, &[u8]); 2] =
            [("device_type", b"memory\0"), ("reg", &[0x40, 0, 0, 0, 0x20, 0, 0, 0])];
        tree.root.add_child(node("memory@40000000", &ram));
        tree.root.add_child(regions);
        let blob = tree.to_dtb();
        let names = Machine::read(&blob).unwrap().reserved.into_iter().map(|reserved| reserved.name);
        assert_eq!(names.collect::<Vec<_>>(), ["camera@50000000", "video"]);
    }

    proptest! {
        #[test]
        fn no_blob_panics(mut bytes in proptest::collection::vec(any::<u8>(), 48..512)) {
            let len = bytes.len() as u32;
            bytes[..8].copy_from_slice(&[0xd0, 0x0d, 0xfe, 0xed, 0, 0, (len >> 8) as u8, len as u8]);
            let _ = Machine::read(&bytes);
        }
    }
}
