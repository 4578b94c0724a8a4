//! From the first Rust instruction to the first user process, in the order things depend on each other.

use core::ops::Range;
use core::sync::atomic::Ordering;

use heaps::PhysAddr;

use crate::arch::{
    self, exceptions, gic, mem, mmu, mte, percpu, pgtable, phys, power, rng, rtc, smp, timer, uart,
};
use crate::cmdline::CommandLine;
use crate::debug::print::Logger;
use crate::dt::Machine;
use crate::process::random;
use crate::time::clock;
use crate::{mm, sched};

#[global_allocator]
static OBJECTS: mm::object::ObjectHeap = mm::object::ObjectHeap;

static LOGGER: Logger = Logger;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::debug::oops::panic(info)
}

/// The boot CPU, on the boot stack, with the boot tables.
// SAFETY: no other symbol has this name: `arch`'s entry code branches to it, once.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn kernel_entry(blob_at: u64, image_at: u64) -> ! {
    percpu::init(0);
    exceptions::init_cpu();
    timer::init_clock();
    timer::init_cpu();
    mte::init();
    mem::init();
    mmu::IMAGE_AT.store(image_at, Ordering::Relaxed);
    let _ = log::set_logger(&LOGGER).map(|()| log::set_max_level(log::LevelFilter::Info));

    let blob = phys::boot_blob(blob_at);
    let blob_range = blob_at..blob_at + blob.len() as u64;
    let machine = match Machine::read(blob) {
        Ok(machine) => machine,
        Err(e) => panic!("device tree at {blob_at:#x}: {e:?}"),
    };
    uart::init(PhysAddr::new(machine.uart.base));
    power::set_psci_by_smc(machine.psci_by_smc);
    let args = CommandLine::new(machine.bootargs);
    crate::drivers::console::set_wire(&uart::Console, args.value("lastref.console") == Some("framed"));
    if args.value("lastref.tty") == Some("noecho") {
        crate::drivers::console::disable_echo();
    }
    seed(&machine);
    let regions = mm::boot::init(&machine, PhysAddr::new(image_at), blob_range, &args);
    pgtable::leave_boot_tables();
    if let Some(seconds) = rtc::read(PhysAddr::new(machine.rtc.base)) {
        clock::set_realtime(u64::from(seconds) * clock::NS_PER_S);
    }
    announce(&machine);

    if args.value("lastref.steps").is_some() {
        crate::debug::steps::trace_calls();
    }
    if args.value("lastref.strace").is_some() {
        crate::debug::strace::turn_on();
    }
    exceptions::init_cpu();
    sched::adopt_cpu();
    start_cpus(&machine);
    crate::start::start(&machine, &args, &regions);
    sched::run_cpu()
}

/// Makes random numbers differ from boot to boot.
fn seed(machine: &Machine<'_>) {
    random::seed(&machine.seed);
    for word in core::iter::from_fn(rng::read).take(4) {
        random::seed(&word.to_ne_bytes());
    }
    random::seed(&arch::now_ns().to_ne_bytes());
}

fn announce(machine: &Machine<'_>) {
    let ram: Range<u64> = machine.ram[0].clone();
    log::info!(
        "Lastref on {} CPUs, {} MiB of memory from {:#x}",
        machine.cpus.len(),
        (ram.end - ram.start) >> 20,
        ram.start
    );
    log::info!("command line: {}", machine.bootargs);
    if cfg!(feature = "kasan") {
        return log::info!("memory tags: unused: the compiler's checks stand in for them");
    }
    match (mte::present(), mte::are_exact()) {
        (true, _) => log::info!("memory tags: exact"),
        (false, _) if mte::in_hardware() => {
            log::warn!("memory tags: broken (per page): use-after-free goes unseen")
        }
        _ => log::warn!("memory tags: none: use-after-free goes unseen"),
    }
}

fn start_cpus(machine: &Machine<'_>) {
    gic::init(
        PhysAddr::new(machine.distributor.base),
        PhysAddr::new(machine.redistributors.base),
        machine.redistributors.len as usize,
    );
    let boot = smp::this_mpidr();
    gic::init_cpu(boot);
    smp::set_mpidr(0, boot);
    uart::enable_input(machine.uart.interrupt);
    let others = machine.cpus.iter().filter(|&&mpidr| mpidr != boot).take(arch::MAX_CPUS - 1);
    for (id, &mpidr) in (1..).zip(others) {
        smp::set_mpidr(id, mpidr);
        smp::start(id);
    }
}
