//! The machine's device tree with memory set aside: QEMU writes the tree, the launcher adds `/reserved-memory`.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use crate::qemu::Hardware;
use crate::regions::{Kind, Region, UNIT};

/// Where RAM starts on QEMU's `virt` machine.
const RAM: u64 = 1 << 30;

/// What QEMU puts the kernel, the device tree and the initramfs in, from the start of RAM, at the most.
const BOOT: u64 = 160 << 20;

/// Heaps of the kernel's own. (`reserved` is the default pool's where no region is one.)
const TAKEN: [&str; 3] = ["system", "default_cma_region", "reserved"];

/// The device tree that `qemu` would give a machine of this hardware, with its regions entered.
pub fn with_regions(qemu: &Path, hardware: &Hardware) -> Result<Vec<u8>> {
    check_names(&hardware.regions)?;
    let placed = place(&hardware.regions, u64::from(hardware.memory) << 20)?;
    let directory = tempfile::Builder::new().prefix("lastref-").tempdir()?;
    let file = directory.path().join("machine.dtb");
    let mut dump = OsString::from("dumpdtb=");
    dump.push(&file);
    let output = Command::new(qemu)
        .args(hardware.board())
        .arg("-machine")
        .arg(dump)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", qemu.display()))?;
    let blob = std::fs::read(&file);
    let blob =
        blob.map_err(|_| anyhow!("QEMU wrote no device tree: {}", String::from_utf8_lossy(&output.stderr)))?;
    enter(&blob, &placed)
}

/// Refuses names that two heaps would have: each region has one of its name.
fn check_names(regions: &[Region]) -> Result<()> {
    for (at, region) in regions.iter().enumerate() {
        let name = node_name(region);
        ensure!(
            !TAKEN.contains(&name),
            "every machine has a heap called {name}; give the region another name"
        );
        let twice = regions[..at].iter().any(|other| node_name(other) == name);
        ensure!(
            !twice || region.name.is_some(),
            "there are two --cma without a name; write one as camera=16M"
        );
        ensure!(!twice, "two regions are called {name}");
    }
    Ok(())
}

/// What a region's node is called.
fn node_name(region: &Region) -> &str {
    region.name.as_deref().unwrap_or("linux,cma")
}

/// Chooses a base for each region that names none: down from the end of RAM.
fn place(regions: &[Region], memory: u64) -> Result<Vec<(u64, &Region)>> {
    let end = RAM + memory / UNIT * UNIT;
    let mut placed: Vec<(u64, &Region)> = Vec::new();
    let clash = |placed: &[(u64, &Region)], base: u64, size: u64| {
        placed.iter().find(|(at, other)| base < at + other.size && *at < base + size).map(|(at, _)| *at)
    };
    let (fixed, free): (Vec<&Region>, Vec<&Region>) =
        regions.iter().partition(|region| region.base.is_some());
    for region in fixed.into_iter().chain(free) {
        let base = match region.base {
            Some(base) => {
                ensure!(
                    base >= RAM && base.checked_add(region.size).is_some_and(|last| last <= end),
                    "a region at {base:#x} does not lie in the machine's memory, {RAM:#x} to {end:#x}"
                );
                ensure!(clash(&placed, base, region.size).is_none(), "two regions overlap at {base:#x}");
                base
            }
            None => {
                let mut top = end;
                loop {
                    let Some(base) =
                        top.checked_sub(region.size).filter(|&base| base >= RAM + BOOT.min(memory / 2))
                    else {
                        bail!(
                            "there is no room for {} MiB more; give the machine more --mem",
                            region.size >> 20
                        )
                    };
                    match clash(&placed, base, region.size) {
                        Some(at) => top = at,
                        None => break base,
                    }
                }
            }
        };
        placed.push((base, region));
    }
    Ok(placed)
}

/// Adds the nodes to a blob.
fn enter(blob: &[u8], regions: &[(u64, &Region)]) -> Result<Vec<u8>> {
    let fdt = Fdt::new(blob).map_err(|error| anyhow!("QEMU's device tree: {error:?}"))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    let mut nodes = DeviceTreeNode::new("reserved-memory").map_err(|e| anyhow!("{e:?}"))?;
    nodes.add_property(property("#address-cells", &2u32.to_be_bytes()));
    nodes.add_property(property("#size-cells", &2u32.to_be_bytes()));
    nodes.add_property(property("ranges", &[]));
    for (base, region) in regions {
        let name = node_name(region);
        // Without a unit address, for the region is called by the whole of it, and so is its heap.
        let mut node = DeviceTreeNode::new(name).map_err(|e| anyhow!("{name}: {e:?}"))?;
        let reg = [base.to_be_bytes(), region.size.to_be_bytes()].concat();
        node.add_property(property("reg", &reg));
        for (name, value) in properties(region) {
            node.add_property(property(name, value));
        }
        nodes.add_child(node);
    }
    tree.root.add_child(nodes);
    Ok(tree.to_dtb())
}

/// What tells a region's kind.
fn properties(region: &Region) -> Vec<(&'static str, &'static [u8])> {
    match (region.kind, &region.name) {
        (Kind::Pool, None) => {
            vec![("compatible", b"shared-dma-pool\0"), ("reusable", &[]), ("linux,cma-default", &[])]
        }
        (Kind::Pool, Some(_)) => vec![("compatible", b"shared-dma-pool\0"), ("reusable", &[])],
        (Kind::Carveout, _) => vec![("compatible", b"lastref,carveout\0")],
        (Kind::Protected, _) => vec![("compatible", b"lastref,protected\0"), ("no-map", &[])],
    }
}

fn property(name: &str, value: &[u8]) -> DeviceTreeProperty {
    DeviceTreeProperty::new_unchecked(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::Node;

    fn region(name: &str, mib: u64, base: Option<u64>) -> Region {
        Region { kind: Kind::Carveout, name: Some(name.into()), size: mib << 20, base }
    }

    #[test]
    fn regions_without_a_base_go_around_those_with_one() {
        let end = RAM + (512 << 20);
        let regions = [region("a", 16, None), region("b", 32, Some(end - (40 << 20))), region("c", 8, None)];
        let placed = place(&regions, 512 << 20).unwrap();
        let bases: Vec<_> =
            placed.iter().map(|(base, region)| (region.name.as_deref().unwrap(), end - base)).collect();
        assert_eq!(bases, [("b", 40 << 20), ("a", 56 << 20), ("c", 8 << 20)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fails = |regions: &[Region]| place(regions, 512 << 20).unwrap_err().to_string();
        assert!(fails(&[region("a", 400, None)]).contains("--mem"));
        assert!(fails(&[region("a", 2, Some(0))]).contains("memory"));
        assert!(fails(&[region("a", 4, Some(RAM)), region("b", 4, Some(RAM + UNIT))]).contains("overlap"));
    }

    #[test]
    fn the_nodes_are_in_the_blob() {
        let plain = DeviceTree::new().to_dtb();
        let one = region("camera", 4, None);
        let blob = enter(&plain, &[(0x5000_0000, &one)]).unwrap();
        let fdt = Fdt::new(&blob).unwrap();
        let node = fdt.find_node("/reserved-memory/camera").unwrap();
        assert_eq!(node.name(), "camera");
        let reg = node.reg().unwrap().unwrap().next().unwrap();
        assert_eq!((reg.address::<u64>().unwrap(), reg.size::<u64>().unwrap()), (0x5000_0000, 4 << 20));
    }

    #[test]
    fn no_two_heaps_have_a_name() {
        let refused = |regions: &[Region]| check_names(regions).unwrap_err().to_string();
        let pool = |name: Option<&str>| Region {
            kind: Kind::Pool,
            name: name.map(str::to_owned),
            size: UNIT,
            base: None,
        };
        let camera = region("camera", 2, None);
        check_names(&[pool(None), pool(Some("video")), camera.clone()]).unwrap();
        assert!(refused(&[pool(None), pool(None)]).contains("without a name"));
        assert!(refused(&[pool(Some("camera")), camera]).contains("two regions are called camera"));
        assert!(refused(&[pool(None), region("linux,cma", 2, None)]).contains("called linux,cma"));
        for name in TAKEN {
            assert!(refused(&[region(name, 2, None)]).contains("every machine"), "{name}");
        }
    }
}
