//! The IOMMU before the PCIe host bridge (`arm,smmu-v3`): where it is, and which stream each function's accesses are to
//! it. The properties are those of the bindings `iommu/arm,smmu-v3` and `pci/pci-iommu`.

use dtoolkit::Node;
use dtoolkit::fdt::FdtNode;

use super::pci::CELL;
use super::{Device, bytes, compatible, device, number, regs, word};

/// An SMMUv3. Its own accesses are coherent with the CPUs' caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smmu {
    /// Its registers, and the interrupt that says that its event queue has something; 0 where it has none.
    pub device: Device,
    /// The interrupt that says that it is in trouble, or 0.
    pub error_interrupt: u32,
    /// What `iommu-map` calls it.
    handle: u32,
}

impl Smmu {
    /// The first such device below `root` that can be used, which is one that is coherent.
    pub(super) fn read(root: FdtNode<'_>) -> Option<Smmu> {
        let node = root.children().find(|&node| compatible(node, "arm,smmu-v3"))?;
        node.property("dma-coherent")?;
        let handle = number(&node, "phandle")? as u32;
        let device = device(regs(node).next(), named_interrupt(node, "eventq"));
        let error_interrupt = named_interrupt(node, "gerror");
        (device.base != 0).then_some(Smmu { device, error_interrupt, handle })
    }
}

/// The shared peripheral interrupt called `name`, or 0.
fn named_interrupt(node: FdtNode<'_>, name: &str) -> u32 {
    let at =
        bytes(node, "interrupt-names").split(|&byte| byte == 0).position(|other| other == name.as_bytes());
    let row = at.and_then(|at| bytes(node, "interrupts").chunks_exact(3 * CELL).nth(at));
    row.map_or(0, |row| word(row, CELL) as u32).checked_add(32).filter(|_| row.is_some()).unwrap_or(0)
}

/// What `iommu-map` says, as it stands in the blob: rows of a first requester, an IOMMU, the stream of that requester
/// there, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamMap<'a> {
    rows: &'a [u8],
    mask: u32,
}

impl<'a> StreamMap<'a> {
    pub(super) fn read(bridge: FdtNode<'a>) -> StreamMap<'a> {
        let mask = number(&bridge, "iommu-map-mask").map_or(!0, |mask| mask as u32);
        StreamMap { rows: bytes(bridge, "iommu-map"), mask }
    }

    /// The stream of `requester` (bus, device and function) at `smmu`; `None` where that does not translate for it.
    pub(super) fn find(&self, requester: u16, smmu: &Smmu) -> Option<u32> {
        let requester = u64::from(u32::from(requester) & self.mask);
        self.rows.chunks_exact(4 * CELL).find_map(|row| {
            let [first, handle, stream, count] = [0, 1, 2, 3].map(|at| word(row, at * CELL));
            let nth = requester.checked_sub(first).filter(|&nth| nth < count)?;
            (handle == u64::from(smmu.handle)).then(|| u32::try_from(stream + nth).ok()).flatten()
        })
    }
}
