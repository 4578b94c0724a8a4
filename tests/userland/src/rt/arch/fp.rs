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

/// Moves all 32 registers from or to the memory that operand `$base` points to.
#[cfg(target_os = "none")]
macro_rules! move_all {
    ($op:literal, $base:literal) => {
        concat!(
            $op,
            " q0, q1, [{",
            $base,
            "}, #0]\n",
            $op,
            " q2, q3, [{",
            $base,
            "}, #32]\n",
            $op,
            " q4, q5, [{",
            $base,
            "}, #64]\n",
            $op,
            " q6, q7, [{",
            $base,
            "}, #96]\n",
            $op,
            " q8, q9, [{",
            $base,
            "}, #128]\n",
            $op,
            " q10, q11, [{",
            $base,
            "}, #160]\n",
            $op,
            " q12, q13, [{",
            $base,
            "}, #192]\n",
            $op,
            " q14, q15, [{",
            $base,
            "}, #224]\n",
            $op,
            " q16, q17, [{",
            $base,
            "}, #256]\n",
            $op,
            " q18, q19, [{",
            $base,
            "}, #288]\n",
            $op,
            " q20, q21, [{",
            $base,
            "}, #320]\n",
            $op,
            " q22, q23, [{",
            $base,
            "}, #352]\n",
            $op,
            " q24, q25, [{",
            $base,
            "}, #384]\n",
            $op,
            " q26, q27, [{",
            $base,
            "}, #416]\n",
            $op,
            " q28, q29, [{",
            $base,
            "}, #448]\n",
            $op,
            " q30, q31, [{",
            $base,
            "}, #480]\n",
        )
    };
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
            move_all!("ldp", "from"),
            "2: cbz {yielding}, 3f",
            "mov x8, #124",
            "svc #0",
            "3: subs {rounds}, {rounds}, #1",
            "b.ne 2b",
            move_all!("stp", "to"),
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

/// What v0..v31 and FPCR hold, untouched since whoever wrote them last.
#[cfg(target_os = "none")]
pub fn read() -> (Registers, u64) {
    let mut registers: Registers = [0; 64];
    let fpcr: u64;
    // SAFETY: writes to `registers` alone; the registers are only read.
    unsafe {
        core::arch::asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            move_all!("stp", "to"),
            "mrs {fpcr}, fpcr",
            to = in(reg) registers.as_mut_ptr(),
            fpcr = out(reg) fpcr,
            options(nostack),
        );
    }
    (registers, fpcr)
}

/// On the host they are never written.
#[cfg(not(target_os = "none"))]
pub fn read() -> (Registers, u64) {
    ([0; 64], 0)
}
