//! GICv3: the distributor, each CPU's redistributor, and the CPU interface in system registers (Arm IHI 0069).

use core::arch::asm;
use core::ptr::NonNull;

use heaps::PhysAddr;
use spin::Once;
use volatile::VolatilePtr;

use super::layout::linear;

/// The software-generated interrupt that asks a CPU to look at its run queue.
pub const SGI_RESCHED: u32 = 0;
/// The software-generated interrupt that stops a CPU for good.
pub const SGI_STOP: u32 = 1;
/// Asks a CPU to stand still until it may go on.
pub const SGI_HOLD: u32 = 2;
/// From here on, interrupt numbers mean that nothing is pending.
pub const SPURIOUS: u32 = 1020;

const GICD_CTLR: usize = 0x0;
const GICD_ISENABLER: usize = 0x100;
const GICD_ICENABLER: usize = 0x180;
const GICD_IGROUPR: usize = 0x80;
const GICD_IPRIORITYR: usize = 0x400;
const GICD_ICFGR: usize = 0xc00;
const GICD_IROUTER: usize = 0x6000;
const GICR_WAKER: usize = 0x14;
const GICR_TYPER: usize = 0x8;
const SGI_FRAME: usize = 0x1_0000;
const GICR_STRIDE: usize = 0x2_0000;

struct Gic {
    distributor: PhysAddr,
    redistributors: PhysAddr,
    redistributors_len: usize,
}

static GIC: Once<Gic> = Once::new();

fn register(base: PhysAddr, offset: usize) -> VolatilePtr<'static, u32> {
    let at = linear(PhysAddr::new(base.get() + offset as u64)).cast();
    // SAFETY: the frames come from the device tree, lie in the linear map as device memory, and offsets are aligned.
    unsafe { VolatilePtr::new(NonNull::new_unchecked(at)) }
}

/// Sets the distributor up: group 1, affinity routing. Once, on the boot CPU.
pub fn init(distributor: PhysAddr, redistributors: PhysAddr, redistributors_len: usize) {
    GIC.call_once(|| Gic { distributor, redistributors, redistributors_len });
    register(distributor, GICD_CTLR).write(0x12);
}

/// Sets this CPU's redistributor and interface up: all 32 private interrupts in group 1, SGIs and the timer enabled.
pub fn init_cpu(mpidr: u64) {
    if let Some(base) = redistributor_of(mpidr) {
        let waker = register(base, GICR_WAKER);
        waker.update(|w| w & !2);
        while waker.read() & 4 != 0 {
            core::hint::spin_loop();
        }
        let sgi = PhysAddr::new(base.get() + SGI_FRAME as u64);
        register(sgi, GICD_IGROUPR).write(!0);
        for n in 0..8 {
            register(sgi, GICD_IPRIORITYR + 4 * n).write(0xa0a0_a0a0);
        }
        register(sgi, GICD_ISENABLER)
            .write(1 << SGI_RESCHED | 1 << SGI_STOP | 1 << SGI_HOLD | 1 << super::timer::INTERRUPT);
    }
    // SAFETY: the CPU interface's own set-up: system registers on, all priorities, group 1 enabled.
    unsafe {
        asm!(
            "msr s3_0_c12_c12_5, {sre}", "isb",
            "msr s3_0_c4_c6_0, {pmr}",
            "msr s3_0_c12_c12_7, {one}", "isb",
            sre = in(reg) 7u64, pmr = in(reg) 0xffu64, one = in(reg) 1u64, options(nostack)
        );
    }
}

fn redistributor_of(mpidr: u64) -> Option<PhysAddr> {
    let gic = GIC.get()?;
    let affinity = (mpidr & 0xff_ffff | mpidr >> 8 & 0xff00_0000) as u32;
    (0..gic.redistributors_len / GICR_STRIDE)
        .map(|n| PhysAddr::new(gic.redistributors.get() + (n * GICR_STRIDE) as u64))
        .find(|&base| register(base, GICR_TYPER + 4).read() == affinity)
}

/// Enables shared peripheral interrupt `intid` (32 and up) and routes it to the boot CPU.
pub fn enable_spi(intid: u32) {
    let Some(gic) = GIC.get() else { return };
    let (word, bit) = ((intid / 32) as usize, intid % 32);
    register(gic.distributor, GICD_IGROUPR + 4 * word).update(|w| w | 1 << bit);
    register(gic.distributor, GICD_IPRIORITYR + 4 * (intid / 4) as usize)
        .update(|w| w | 0xa0 << (8 * (intid % 4)));
    register(gic.distributor, GICD_IROUTER + 8 * intid as usize).write(0);
    register(gic.distributor, GICD_IROUTER + 8 * intid as usize + 4).write(0);
    register(gic.distributor, GICD_ISENABLER + 4 * word).write(1 << bit);
}

/// Like [`enable_spi`], for an interrupt that is an edge of its line rather than its level.
pub fn enable_edge_spi(intid: u32) {
    let Some(gic) = GIC.get() else { return };
    let edge = 2 << (2 * (intid % 16));
    register(gic.distributor, GICD_ICFGR + 4 * (intid / 16) as usize).update(|w| w | edge);
    enable_spi(intid);
}

/// Disables shared peripheral interrupt `intid`.
pub fn disable_spi(intid: u32) {
    let Some(gic) = GIC.get() else { return };
    register(gic.distributor, GICD_ICENABLER + 4 * (intid / 32) as usize).write(1 << (intid % 32));
}

/// Takes the pending interrupt with the highest priority; [`SPURIOUS`] or more when there is none.
#[inline]
pub fn acknowledge() -> u32 {
    let intid: u64;
    // SAFETY: ICC_IAR1_EL1; reading it makes the interrupt active, which end() undoes.
    unsafe { asm!("mrs {}, s3_0_c12_c12_0", out(reg) intid, options(nostack)) }
    intid as u32
}

/// Ends an interrupt that was acknowledged.
#[inline]
pub fn end(intid: u32) {
    // SAFETY: ICC_EOIR1_EL1 for an interrupt acknowledged on this CPU.
    unsafe { asm!("msr s3_0_c12_c12_1, {}", in(reg) u64::from(intid), options(nostack)) }
}

/// Sends software-generated interrupt `sgi` to the CPU with affinity `mpidr`.
pub fn send_sgi(mpidr: u64, sgi: u32) {
    let value = 1 << (mpidr & 0xf)
        | (mpidr >> 8 & 0xff) << 16
        | u64::from(sgi) << 24
        | (mpidr >> 16 & 0xff) << 32
        | (mpidr >> 4 & 0xf) << 44
        | (mpidr >> 32 & 0xff) << 48;
    // SAFETY: ICC_SGI1R_EL1; what was written before is seen by the receiver because of the barrier.
    unsafe { asm!("dsb ishst", "msr s3_0_c12_c11_5, {}", "isb", in(reg) value, options(nostack)) }
}
