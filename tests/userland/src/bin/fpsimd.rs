//! `/bin/fpsimd [PROCESSES]`: the FP/SIMD registers belong to each task, through system calls, preemption and
//! switches between tasks that hold other patterns. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;
use userland::complain;
use userland::rt::arch::fp::{self, Registers, While};
use userland::rt::rng::Rng;
use userland::rt::tap::Tap;
use userland::rt::{Args, Status, process};

userland::program!(run);

/// FPCR with rounding towards zero, flush to zero and default NaN: three fields that stick on any CPU.
const FPCR: u64 = 0b11 << 22 | 1 << 24 | 1 << 25;
/// Long enough without a system call for several timer ticks, even under emulation.
const SPINS: u64 = 40_000_000;
/// Rounds of yielding to the others.
const YIELDS: u64 = 2_000;

fn run(args: Args) -> i32 {
    let Ok(processes) = args.number(1, 6) else {
        complain!("usage: fpsimd [PROCESSES]");
        return 2;
    };
    let mut tap = Tap::new();
    let (zeros, fpcr) = fresh_state();
    tap.ok(zeros, "a new program's registers start as zeros");
    tap.is(fpcr, 0, "and FPCR as zero");
    tap.ok(holds(1, YIELDS, While::Yielding), "one process, through system calls");
    tap.ok(holds(2, SPINS, While::Spinning), "one process, through ticks alone");
    for how in [While::Yielding, While::Spinning] {
        tap.ok(
            together(processes, how),
            format_args!("{processes} processes with patterns of their own, {how:?}"),
        );
    }
    tap.ok(child_inherits(), "a child starts with its parent's registers");
    tap.done()
}

/// What the registers hold before anyone wrote them: whether all are zero, and FPCR.
fn fresh_state() -> (bool, u64) {
    let (registers, fpcr) = fp::read();
    (registers == [0; 64], fpcr)
}

fn pattern(seed: u64) -> Registers {
    let mut rng = Rng::new(seed);
    core::array::from_fn(|_| rng.next_u64())
}

fn holds(seed: u64, rounds: u64, how: While) -> bool {
    let pattern = pattern(seed);
    fp::hold(&pattern, FPCR, rounds, how) == (pattern, FPCR)
}

fn together(processes: u64, how: While) -> bool {
    let rounds = if how == While::Yielding { YIELDS } else { SPINS / 4 };
    let children: Result<Vec<i32>, _> =
        (0..processes).map(|i| process::spawn(|| i32::from(!holds(100 + i, rounds, how)))).collect();
    let Ok(children) = children else { return false };
    children.into_iter().all(|pid| matches!(process::wait(pid), Ok((_, Status::Exited(0)))))
}

/// fork copies the registers as they are; nothing but `fp` touches them in between.
fn child_inherits() -> bool {
    let pattern = pattern(77);
    fp::hold(&pattern, 0, 1, While::Spinning);
    let child = process::in_child(|| i32::from(fp::read().0 != pattern));
    child == Ok(Status::Exited(0))
}
