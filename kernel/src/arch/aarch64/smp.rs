//! Waking the other CPUs, and reaching them.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use super::percpu::{self, MAX_CPUS};
use super::{exceptions, gic, mmu, pgtable, power, timer};
use crate::mm::stack::KernelStack;
use crate::sched;

unsafe extern "C" {
    fn _secondary_start();
}

/// Where a CPU that comes up finds its stack; the boot assembly reads it.
#[unsafe(no_mangle)]
static boot_secondary_stacks: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
static EXPECTED: AtomicUsize = AtomicUsize::new(0);
static MPIDRS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// This CPU's affinity numbers.
pub fn this_mpidr() -> u64 {
    use aarch64_cpu::registers::{MPIDR_EL1, Readable};
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// Tells which CPU has number `id`.
pub fn set_mpidr(id: usize, mpidr: u64) {
    MPIDRS[id].store(mpidr, Ordering::Relaxed);
    EXPECTED.fetch_add(1, Ordering::Relaxed);
}

/// How many CPUs the machine has, as far as we use them.
pub fn expected() -> usize {
    EXPECTED.load(Ordering::Relaxed)
}

/// Brings CPU `id` up; it runs tasks when this returns true. A CPU that does not come is done without.
pub fn start(id: usize) -> bool {
    let Ok(stack) = KernelStack::new() else { return false };
    boot_secondary_stacks[id].store(stack.top(), Ordering::Release);
    // The stack is the CPU's idle task's for good.
    core::mem::forget(stack);
    let entry = mmu::image_to_phys(_secondary_start as *const () as usize);
    let mpidr = MPIDRS[id].load(Ordering::Relaxed);
    if let Err(e) = power::cpu_on(mpidr, entry.get(), id) {
        log::warn!("CPU {id} does not start: {e:?}");
        return false;
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn secondary_entry(id: usize) -> ! {
    percpu::init(id);
    pgtable::leave_boot_tables();
    exceptions::init_cpu();
    gic::init_cpu(this_mpidr());
    timer::init_cpu();
    sched::run_cpu()
}

/// Asks CPU `id` to look at its run queue and at the running task's signals.
pub fn kick(id: usize) {
    gic::send_sgi(MPIDRS[id].load(Ordering::Relaxed), gic::SGI_RESCHED);
}

/// Asks CPU `id` to stand still; see [`hold`](super::hold).
pub fn hold(id: usize) {
    gic::send_sgi(MPIDRS[id].load(Ordering::Relaxed), gic::SGI_HOLD);
}

/// Returns when every other CPU has passed a memory barrier, and a synchronization of its instruction stream, since
/// this was called: an interrupt is both. Interrupts are on.
pub fn barrier_everywhere() {
    fence(Ordering::SeqCst);
    let count = |id| percpu::of(id).interrupts.load(Ordering::SeqCst);
    let me = percpu::cpu_id();
    let mut before = [0; MAX_CPUS];
    for id in percpu::online().filter(|&id| id != me) {
        before[id] = count(id);
        kick(id);
    }
    for id in percpu::online().filter(|&id| id != me) {
        while count(id) == before[id] {
            core::hint::spin_loop();
        }
    }
}

/// Stops every other CPU for good.
pub fn stop_others() {
    for id in percpu::online().filter(|&id| id != percpu::cpu_id()) {
        gic::send_sgi(MPIDRS[id].load(Ordering::Relaxed), gic::SGI_STOP);
    }
}
