//! The processor's random numbers: FEAT_RNG (Arm ARM K14, RNDR).

use core::arch::asm;

use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, Readable};

/// A random number; `None` where the processor has none, or none just now.
pub fn read() -> Option<u64> {
    if ID_AA64ISAR0_EL1.get() >> 60 == 0 {
        return None;
    }
    let (value, failed): (u64, u64);
    // SAFETY: the register is there. Reading it sets the flags, which asm! assumes unless told otherwise.
    unsafe {
        asm!("mrs {value}, s3_3_c2_c4_0", "cset {failed}, eq", value = out(reg) value, failed = out(reg) failed,
            options(nomem, nostack));
    }
    (failed == 0).then_some(value)
}
