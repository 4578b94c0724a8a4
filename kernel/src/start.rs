//! With memory and CPUs there: devices, files, heaps, and process 1.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Discipline, Errno, Result};

use crate::cmdline::CommandLine;
use crate::debug::{ktap, lab};
use crate::drivers::{console, dma_heap, drm, edu, iommu, kmsg, mem, pci, ramfb, udmabuf};
use crate::dt::Machine;
use crate::mm::boot::Regions;
use crate::vfs::flags::O_RDONLY;
use crate::vfs::{Dentry, mounts, open, parameters, procfs};
use crate::{arch, chrdev, modules, process};

/// What process 1 is when the command line does not say.
const INIT: &str = "/sbin/init";

/// Brings the rest of the kernel up and starts process 1; it runs once this CPU takes up tasks.
///
/// # Panics
/// When the machine cannot be used: a damaged initramfs, no init, an unknown discipline.
pub fn start(machine: &Machine<'_>, args: &CommandLine<'_>, regions: &Regions<'_>) {
    procfs::machine::set_boot_arguments(machine.bootargs);
    let root = match mounts::boot(arch::boot_image(machine.initrd.clone())) {
        Ok(root) => root,
        Err(e) => panic!("initramfs: {e:?}"),
    };
    parameters::set_all(args);
    if let Err(e) = devices(regions, args) {
        panic!("devices: {e}");
    }
    probe(machine, args);
    heaps(args, &root);
    if args.value("lastref.ktap").is_some() {
        ktap::run();
    }
    let path = args.value("init").unwrap_or(INIT);
    let argv: Vec<&[u8]> = [path].into_iter().chain(args.init_args()).map(str::as_bytes).collect();
    if let Err(e) =
        process::start_init(&root, path.as_bytes(), &argv, &[b"PATH=/bin:/sbin", b"HOME=/", b"TERM=linux"])
    {
        panic!("{path}: {e}");
    }
}

fn devices(regions: &Regions<'_>, args: &CommandLine<'_>) -> Result<()> {
    for (major, name) in [
        (1, "mem"),
        (5, "/dev/tty"),
        (5, "/dev/console"),
        (udmabuf::MAJOR, "misc"),
        (drm::MAJOR, "drm"),
        (240, "lab"),
        (dma_heap::MAJOR, "dma_heap"),
    ] {
        chrdev::name_major(major, name)?;
    }
    mem::init()?;
    kmsg::init()?;
    console::init()?;
    udmabuf::init()?;
    drm::init()?;
    lab::init()?;
    dma_heap::init()?;
    if let Some(on) = args.value("lastref.frames") {
        dma_heap::frame_state::watch(on != "0");
    }
    dma_heap::regions::init(regions, args.value("cma.lend") != Some("0"))
}

/// Looks for devices. A machine without them, or one that does not come up, goes on without.
fn probe(machine: &Machine<'_>, args: &CommandLine<'_>) {
    if machine.fw_cfg.base != 0
        && let Err(e) = ramfb::probe(machine.fw_cfg)
        && e != Errno::ENOENT
    {
        log::warn!("ramfb: {e}");
    }
    let Some(host) = &machine.pci else { return };
    let bits = args.value("edu.dma_bits").and_then(|text| text.parse().ok());
    // A device stays without DMA where its IOMMU is not understood: nothing it says is translated.
    let smmu = machine.smmu.as_ref();
    if let Some(smmu) = smmu
        && let Err(e) = iommu::init(smmu)
    {
        log::warn!("iommu: {e}");
    }
    let searched = pci::init(host, smmu, |function| {
        if function.id == edu::ID
            && let Err(e) = edu::probe(function, bits)
        {
            log::warn!("edu: {e}");
        }
    });
    if let Err(e) = searched {
        log::warn!("pci: {e}");
    }
}

/// Selects the discipline, and loads the modules of the heaps that the command line names.
fn heaps(args: &CommandLine<'_>, root: &Arc<Dentry>) {
    if let Some(name) = args.value("lastref.discipline") {
        match name.parse::<Discipline>() {
            Ok(discipline) => dma_heap::HEAPS.set_discipline(discipline).expect("no heap is registered yet"),
            Err(_) => panic!("lastref.discipline={name}: there is no such discipline"),
        }
    }
    for name in args.value("lastref.heaps").unwrap_or("system,cma,regions").split(',') {
        let (module, params) = match name {
            "system" => ("system_heap", String::new()),
            "cma" => (
                "cma_heap",
                args.value("lastref.cma_name").map_or_else(String::new, |name| format!("name={name}")),
            ),
            "regions" => {
                dma_heap::regions::register_heaps();
                continue;
            }
            _ => continue,
        };
        if let Err(e) = load(root, module, &params) {
            log::warn!("{module}: {e}");
        }
    }
}

/// Loads a module of the initramfs.
fn load(root: &Arc<Dentry>, module: &str, params: &str) -> Result<()> {
    let path = format!("/lib/modules/{module}.ko");
    let file = open::open(root, root, path.as_bytes(), O_RDONLY, 0)?;
    modules::load_file(&file, params)
}
