//! Ending the machine with a status, and waking its CPUs.

use core::arch::asm;

use core::sync::atomic::{AtomicBool, Ordering};

use smccc::{Hvc, Smc, psci};

/// PSCI is called by SMC rather than by HVC.
static BY_SMC: AtomicBool = AtomicBool::new(false);

/// Tells how PSCI is called on this machine.
pub fn set_psci_by_smc(by_smc: bool) {
    BY_SMC.store(by_smc, Ordering::Relaxed);
}

/// Ends the machine with `status` (0..=255) as QEMU's own, by semihosting SYS_EXIT; by PSCI where nobody listens.
pub fn power_off(status: u32) -> ! {
    const SYS_EXIT: u64 = 0x18;
    const APPLICATION_EXIT: u64 = 0x20026;
    let block = [APPLICATION_EXIT, u64::from(status)];
    // SAFETY: the call reads the block, and does not return where it is supported.
    unsafe { asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") block.as_ptr(), options(nostack)) }
    let _ = if by_smc() { psci::system_off::<Smc>() } else { psci::system_off::<Hvc>() };
    loop {
        super::irq::wait_for_interrupt();
    }
}

/// Starts the CPU with affinity `mpidr` at physical address `entry`, with `id` in X0.
pub fn cpu_on(mpidr: u64, entry: u64, id: usize) -> Result<(), psci::error::Error> {
    match by_smc() {
        true => psci::cpu_on::<Smc>(mpidr, entry, id as u64),
        false => psci::cpu_on::<Hvc>(mpidr, entry, id as u64),
    }
}

fn by_smc() -> bool {
    BY_SMC.load(Ordering::Relaxed)
}
