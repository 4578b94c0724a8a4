//! The FP/SIMD registers. The programs are built without them, so nothing but this file touches them.

/// The 32 registers of 128 bits, low half first.
pub type Registers = [u64; 64];

/// What happens while the registers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum While {
    /// A loop without system calls, so that only preemption can disturb them.
    Spinning,
    /// A system call (sched_yield) each round.
    Yielding,
}

/// Loads `pattern` into v0..v31 and `fpcr` into FPCR, runs `rounds` rounds, and stores what is there then.
#[cfg(target_os = "none")]
pub fn hold(pattern: &Registers, fpcr: u64, rounds: u64, how: While) -> (Registers, u64) {
    let mut after: Registers = [0; 64];
    let fpcr_after: u64;
    // SAFETY: the compiler uses no FP/SIMD register on this target, so none has to be preserved; memory is
    // read from `pattern` and written to `after` alone; sched_yield keeps every register but x0.
    unsafe {
        core::arch::asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            "msr fpcr, {fpcr}",
            "ldp q0, q1, [{from}]",
            "ldp q2, q3, [{from}, #32]",
            "ldp q4, q5, [{from}, #64]",
            "ldp q6, q7, [{from}, #96]",
            "ldp q8, q9, [{from}, #128]",
            "ldp q10, q11, [{from}, #160]",
            "ldp q12, q13, [{from}, #192]",
            "ldp q14, q15, [{from}, #224]",
            "ldp q16, q17, [{from}, #256]",
            "ldp q18, q19, [{from}, #288]",
            "ldp q20, q21, [{from}, #320]",
            "ldp q22, q23, [{from}, #352]",
            "ldp q24, q25, [{from}, #384]",
            "ldp q26, q27, [{from}, #416]",
            "ldp q28, q29, [{from}, #448]",
            "ldp q30, q31, [{from}, #480]",
            "2: cbz {yielding}, 3f",
            "mov x8, #124",
            "svc #0",
            "3: subs {rounds}, {rounds}, #1",
            "b.ne 2b",
            "stp q0, q1, [{to}]",
            "stp q2, q3, [{to}, #32]",
            "stp q4, q5, [{to}, #64]",
            "stp q6, q7, [{to}, #96]",
            "stp q8, q9, [{to}, #128]",
            "stp q10, q11, [{to}, #160]",
            "stp q12, q13, [{to}, #192]",
            "stp q14, q15, [{to}, #224]",
            "stp q16, q17, [{to}, #256]",
            "stp q18, q19, [{to}, #288]",
            "stp q20, q21, [{to}, #320]",
            "stp q22, q23, [{to}, #352]",
            "stp q24, q25, [{to}, #384]",
            "stp q26, q27, [{to}, #416]",
            "stp q28, q29, [{to}, #448]",
            "stp q30, q31, [{to}, #480]",
            "mrs {fpcr_after}, fpcr",
            "msr fpcr, xzr",
            from = in(reg) pattern.as_ptr(),
            to = in(reg) after.as_mut_ptr(),
            fpcr = in(reg) fpcr,
            fpcr_after = out(reg) fpcr_after,
            yielding = in(reg) u64::from(how == While::Yielding),
            rounds = inout(reg) rounds.max(1) => _,
            out("x0") _,
            out("x8") _,
            options(nostack),
        );
    }
    (after, fpcr_after)
}

/// On the host there is nothing to hold.
#[cfg(not(target_os = "none"))]
pub fn hold(pattern: &Registers, fpcr: u64, _rounds: u64, _how: While) -> (Registers, u64) {
    (*pattern, fpcr)
}
