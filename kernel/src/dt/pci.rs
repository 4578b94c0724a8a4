//! The PCIe host bridge (`pci-host-ecam-generic`): where its configuration space and windows are, and which
//! interrupt each pin leads to. Models `drivers/pci/of.c`; the properties are those of the Open Firmware PCI binding.

use core::ops::{Range, RangeInclusive};

use arrayvec::ArrayVec;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

use super::iommu::{Smmu, StreamMap};
use super::{bytes, compatible, number, regs, word};

/// Bytes of a cell.
pub(super) const CELL: usize = 4;

/// A window of the bridge: bus addresses that reach devices when the CPU uses the address they are seen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first byte, as devices and their base registers count.
    pub bus: u64,
    /// The first byte, as the CPU sees it.
    pub cpu: u64,
    /// Bytes.
    pub len: u64,
}

/// A host bridge. Its devices see memory as CPUs do, and their accesses are coherent with the CPUs' caches.
#[derive(Clone, Debug)]
pub struct PciHost<'a> {
    /// Configuration space: 1 MiB a bus, from the first of `buses` on.
    pub ecam: Range<u64>,
    /// The buses that configuration space has room for.
    pub buses: RangeInclusive<u8>,
    /// Windows of 32-bit memory that is not prefetchable.
    pub memory: ArrayVec<Window, 4>,
    interrupts: InterruptMap<'a>,
    streams: StreamMap<'a>,
}

/// What `interrupt-map` says, as it stands in the blob.
#[derive(Clone, Debug)]
struct InterruptMap<'a> {
    map: &'a [u8],
    /// What of a device's address and pin the map tells apart.
    mask: [u32; 4],
    /// The interrupt controller's handle, and how many cells an address of its takes.
    gic: (u32, usize),
}

impl<'a> PciHost<'a> {
    /// The first such bridge, if there is one that can be used: with configuration space, a window, and coherent.
    pub(super) fn read(fdt: Fdt<'a>) -> Option<PciHost<'a>> {
        let root = fdt.root();
        let node = root.children().find(|&node| compatible(node, "pci-host-ecam-generic"))?;
        node.property("dma-coherent")?;
        let gic = root.children().find(|&node| compatible(node, "arm,gic-v3"))?;
        let gic =
            (number(&gic, "phandle")? as u32, number(&gic, "#address-cells").unwrap_or(0).min(4) as usize);
        let (at, len) = regs(node).next()?;
        let ecam = at..at.checked_add(len)?;
        let buses = buses(node, &ecam)?;
        let memory: ArrayVec<Window, 4> = windows(node);
        let mask = bytes(node, "interrupt-map-mask");
        let mask = [0, 1, 2, 3].map(|cell| if mask.is_empty() { !0 } else { word(mask, cell * CELL) as u32 });
        let interrupts = InterruptMap { map: bytes(node, "interrupt-map"), mask, gic };
        let streams = StreamMap::read(node);
        (!memory.is_empty()).then_some(PciHost { ecam, buses, memory, interrupts, streams })
    }

    /// The GIC interrupt that pin `pin` (1 to 4) of device `device` on the first bus leads to.
    pub fn interrupt(&self, device: u8, pin: u8) -> Option<u32> {
        self.interrupts.find(u32::from(device) << 11, u32::from(pin))
    }

    /// The stream that accesses of `requester` (bus, device and function in one number) are to `smmu`; `None` where they
    /// go past it.
    pub fn stream(&self, requester: u16, smmu: &Smmu) -> Option<u32> {
        self.streams.find(requester, smmu)
    }
}

/// The buses, no more than `ecam` has room for.
fn buses(node: FdtNode<'_>, ecam: &Range<u64>) -> Option<RangeInclusive<u8>> {
    let room = (ecam.end - ecam.start) >> 20;
    let range = node.property("bus-range");
    let cell = |at| range.as_ref().map(|range| word(range.value(), at * CELL));
    let first = u8::try_from(cell(0).unwrap_or(0)).ok()?;
    let last = cell(1).unwrap_or(255).min(255).min((u64::from(first) + room).checked_sub(1)?);
    (u64::from(first) <= last).then_some(first..=last as u8)
}

/// `ranges`: three cells of bus address, two of CPU address, two of length. The first cell's bits 25 and 24 tell the
/// space, bit 30 what is prefetchable.
fn windows(node: FdtNode<'_>) -> ArrayVec<Window, 4> {
    const SPACE: u64 = 3 << 24 | 1 << 30;
    const MEMORY_32: u64 = 2 << 24;
    let Some(ranges) = node.property("ranges") else { return ArrayVec::new() };
    let rows = ranges.value().chunks_exact(7 * CELL);
    let window = |row: &[u8]| {
        let number = |at: usize| word(row, at * CELL) << 32 | word(row, (at + 1) * CELL);
        let window = Window { bus: number(1), cpu: number(3), len: number(5) };
        let fits =
            window.bus.checked_add(window.len)? <= 1 << 32 && window.cpu.checked_add(window.len).is_some();
        (word(row, 0) & SPACE == MEMORY_32 && window.len > 0 && fits).then_some(window)
    };
    rows.filter_map(window).take(4).collect()
}

impl InterruptMap<'_> {
    /// A row: three cells of address and one of pin; the controller's handle; its address; its three cells, which are
    /// the kind (0: shared peripheral), the number, and the trigger.
    fn find(&self, address: u32, pin: u32) -> Option<u32> {
        const SHARED: u64 = 0;
        let (handle, address_cells) = self.gic;
        let row_len = (4 + 1 + address_cells + 3) * CELL;
        let wanted = [address & self.mask[0], 0, 0, pin & self.mask[3]];
        self.map.chunks_exact(row_len).find_map(|row| {
            let cell = |at: usize| word(row, at * CELL);
            let here = [0, 1, 2, 3].map(|at| cell(at) as u32 & self.mask[at]);
            let target = 5 + address_cells;
            let ours = here == wanted && cell(4) as u32 == handle && cell(target) == SHARED;
            let number = cell(target + 1).checked_add(32).filter(|&number| number < 1020)?;
            ours.then_some(number as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Device;
    use super::*;
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
    use proptest::prelude::*;

    fn cells(cells: &[u32]) -> Vec<u8> {
        cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
    }

    fn node(name: &str, properties: &[(&str, Vec<u8>)]) -> DeviceTreeNode {
        let mut node = DeviceTreeNode::new(name).unwrap();
        for (name, value) in properties {
            node.add_property(DeviceTreeProperty::new_unchecked(*name, value.as_slice()));
        }
        node
    }

    /// What QEMU's `virt` has, with the properties in `other` instead.
    fn blob(other: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let row = |device: u32, pin: u32, n: u32| [device << 11, 0, 0, pin, 0x8002, 0, 0, 0, n, 4];
        let mut properties = vec![
            ("compatible", b"pci-host-ecam-generic\0".to_vec()),
            ("dma-coherent", Vec::new()),
            ("reg", cells(&[0x40, 0x1000_0000, 0, 0x1000_0000])),
            ("bus-range", cells(&[0, 0xff])),
            (
                "ranges",
                cells(
                    &[
                        [0x0100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000],
                        [0x0200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x2eff_0000],
                        [0x0300_0000, 0x80, 0, 0x80, 0, 0x80, 0],
                    ]
                    .concat(),
                ),
            ),
            (
                "iommu-map",
                cells(&[[0, 0x8004, 0, 0x100], [0x100, 0x9999, 0, 8], [0x200, 0x8004, 0x10, 8]].concat()),
            ),
            ("interrupt-map-mask", cells(&[0x1800, 0, 0, 7])),
            ("interrupt-map", cells(&[row(0, 1, 3), row(0, 2, 4), row(1, 1, 4), row(1, 2, 5)].concat())),
        ];
        for (name, value) in other {
            properties.retain(|(known, _)| known != name);
            properties.push((name, value.clone()));
        }
        let gic = [
            ("compatible", b"arm,gic-v3\0".to_vec()),
            ("phandle", cells(&[0x8002])),
            ("#address-cells", cells(&[2])),
        ];
        let smmu = [
            ("compatible", b"arm,smmu-v3\0".to_vec()),
            ("phandle", cells(&[0x8004])),
            ("reg", cells(&[0, 0x905_0000, 0, 0x2_0000])),
            ("interrupts", cells(&[[0, 74, 1], [0, 75, 1], [0, 76, 1], [0, 77, 1]].concat())),
            ("interrupt-names", b"eventq\0priq\0cmdq-sync\0gerror\0".to_vec()),
            ("dma-coherent", Vec::new()),
        ];
        let mut tree = DeviceTree::new();
        for (name, value) in [("#address-cells", cells(&[2])), ("#size-cells", cells(&[2]))] {
            tree.root.add_property(DeviceTreeProperty::new_unchecked(name, value.as_slice()));
        }
        tree.root.add_child(node("pcie@10000000", &properties));
        tree.root.add_child(node("intc@8000000", &gic));
        tree.root.add_child(node("smmuv3@9050000", &smmu));
        tree.to_dtb()
    }

    fn host(blob: &[u8]) -> Option<PciHost<'_>> {
        PciHost::read(Fdt::new(blob).unwrap())
    }

    #[test]
    fn the_bridge_of_virt_is_read() {
        let blob = blob(&[]);
        let host = host(&blob).unwrap();
        assert_eq!((host.ecam.clone(), host.buses.clone()), (0x40_1000_0000..0x40_2000_0000, 0..=255));
        let window = Window { bus: 0x1000_0000, cpu: 0x1000_0000, len: 0x2eff_0000 };
        assert_eq!(host.memory.as_slice(), [window]);
        assert_eq!(host.interrupt(1, 1), Some(36));
        assert_eq!(host.interrupt(5, 2), Some(37), "the mask leaves the device's two lowest bits");
        assert_eq!((host.interrupt(2, 1), host.interrupt(1, 0), host.interrupt(1, 5)), (None, None, None));
    }

    #[test]
    fn the_iommu_of_virt_is_read() {
        let blob = blob(&[]);
        let smmu = Smmu::read(Fdt::new(&blob).unwrap().root()).unwrap();
        let device = Device { base: 0x905_0000, len: 0x2_0000, interrupt: 106 };
        assert_eq!((smmu.device, smmu.error_interrupt), (device, 109));
        let stream = |requester| host(&blob).unwrap().stream(requester, &smmu);
        assert_eq!([0, 8, 0xff].map(stream), [Some(0), Some(8), Some(0xff)]);
        assert_eq!([0x100, 0x108, 0x300].map(stream), [None; 3], "another's, and nobody's");
        assert_eq!(stream(0x207), Some(0x17));
    }

    #[test]
    fn what_cannot_be_used_is_none() {
        for (name, value) in [
            ("reg", Vec::new()),
            ("reg", cells(&[0x40, 0x1000_0000, 0, 0x1000])),
            ("reg", cells(&[!0, !0, 0, 0x1000_0000])),
            ("bus-range", cells(&[7, 3])),
            ("bus-range", cells(&[256, 300])),
            ("ranges", Vec::new()),
            ("ranges", cells(&[0x0200_0000, 0, 0xffff_0000, 0, 0, 0, 0x1_0001])),
            ("compatible", b"pci-host-cam-generic\0".to_vec()),
        ] {
            let blob = blob(&[(name, value.clone())]);
            assert!(host(&blob).is_none(), "{name} {value:x?}");
        }
        let small = blob(&[("reg", cells(&[0x40, 0x1000_0000, 0, 0x20_0000]))]);
        assert_eq!(host(&small).unwrap().buses, 0..=1, "configuration space says how many buses");
    }

    proptest! {
        #[test]
        fn no_property_panics(
            name in proptest::sample::select(vec!["reg", "ranges", "bus-range", "interrupt-map", "interrupt-map-mask", "iommu-map", "iommu-map-mask"]),
            value in proptest::collection::vec(any::<u8>(), 0..128),
        ) {
            let blob = blob(&[(name, value)]);
            if let Some(host) = host(&blob) {
                (0..=255).for_each(|n| assert!(host.interrupt(n, n).is_none_or(|found| found < 1020)));
                let smmu = Smmu::read(Fdt::new(&blob).unwrap().root()).unwrap();
                let known = (0..=!0).step_by(7).filter(|&requester| host.stream(requester, &smmu).is_some());
                assert!(known.count() <= 1 << 16);
            }
        }
    }
}
