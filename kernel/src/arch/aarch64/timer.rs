//! The generic timer: the clock, and each CPU's next tick (Arm ARM D11).

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTKCTL_EL1, CNTP_CTL_EL0, CNTP_TVAL_EL0, CNTPCT_EL0, Readable, Writeable,
};

/// The physical timer's interrupt: PPI 14.
pub const INTERRUPT: u32 = 30;
const NS_PER_SEC: u64 = 1_000_000_000;

/// Nanoseconds in a tick of the counter, times 2^16; set once at boot.
static NS_PER_COUNT: AtomicU64 = AtomicU64::new(0);

/// Reads the counter's frequency. Before the first `now_ns`.
pub fn init_clock() {
    NS_PER_COUNT.store((NS_PER_SEC << 16) / CNTFRQ_EL0.get().max(1), Ordering::Relaxed);
}

/// How often the counter counts, in hertz.
pub fn counter_frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Lets user space read the counter, as Linux does, and stops a timer the firmware may have left.
pub fn init_cpu() {
    CNTKCTL_EL1.set(3);
    CNTP_CTL_EL0.set(0);
}

/// Nanoseconds since the machine's reset.
#[inline]
pub fn now_ns() -> u64 {
    ((CNTPCT_EL0.get() as u128 * NS_PER_COUNT.load(Ordering::Relaxed) as u128) >> 16) as u64
}

/// Asks for one interrupt in `ns` nanoseconds.
pub fn set_timer_in(ns: u64) {
    let counts = (ns as u128 * CNTFRQ_EL0.get() as u128 / NS_PER_SEC as u128).clamp(1, i32::MAX as u128);
    CNTP_TVAL_EL0.set(counts as u64);
    CNTP_CTL_EL0.set(1);
}

/// Asks for no interrupt.
pub fn stop_timer() {
    CNTP_CTL_EL0.set(0);
}
