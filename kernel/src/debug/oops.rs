//! What happens when the kernel itself faults: the task is killed and the kernel goes on; without a task to blame, or
//! in an interrupt, the machine ends.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::backtrace::{frame_pointer, frames_from};
use crate::arch::{self, TrapFrame, irq, mem, percpu, smp};
use crate::debug::print::{RULE, print};
use crate::debug::report::{self, Kind};
use crate::modules::places::{self, Code};
use crate::sync::order;
use crate::{process, sched};

/// The status the machine ends with after a panic.
const PANIC_STATUS: u32 = 101;

/// Why the kernel faulted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The detector refused the access that the instruction at `pc` makes.
    Stale {
        /// A store.
        write: bool,
        /// That instruction; what faulted may be the check before it.
        pc: u64,
    },
    /// Any other fault of a load or store.
    DataAbort {
        /// A store.
        write: bool,
    },
    /// A jump to where nothing may be executed.
    InstructionAbort,
    /// Anything else.
    Exception,
}

/// SPSR_EL1.I: interrupts were masked.
const IRQS_MASKED: u64 = 1 << 7;
/// SPSR_EL1.TCO: tag checks are off.
const UNCHECKED: u64 = 1 << 25;

/// The kernel faulted at `frame`. The task dies, or the machine does.
///
/// A task that holds a spinning lock cannot die at once: whoever wants the lock next would spin for ever. Where only
/// the tags are wrong it goes on, unchecked, and dies on its way back to user space; what it touches is in quarantine,
/// and still is what it was. That is as KASAN does it, whose reports kill nobody.
pub fn kernel_fault(cause: Cause, esr: u64, far: u64, frame: &mut TrapFrame) {
    if percpu::this().in_oops.swap(true, Ordering::SeqCst) {
        panic!("a fault while reporting a fault: ESR {esr:#x}, FAR {far:#x} at [<{:016x}>]", frame.elr);
    }
    let held = arch::held_locks();
    arch::set_held_locks(0);
    match cause {
        Cause::Stale { write, pc } => report::stale_access(write, far, pc, callers(frame)),
        _ => describe(cause, esr, far, frame),
    }
    if held >> order::FIRST_SPINNING == 0 {
        die(frame.spsr);
    }
    if !matches!(cause, Cause::Stale { .. }) {
        panic!("a task failed with spinning locks held: {held:#x}");
    }
    arch::set_held_locks(held);
    frame.spsr |= UNCHECKED;
    process::doom();
    percpu::this().in_oops.store(false, Ordering::SeqCst);
}

fn describe(cause: Cause, esr: u64, far: u64, frame: &TrapFrame) {
    let gone = places::find(far as usize).filter(|place| !place.loaded && cause != Cause::Exception);
    let kind = if gone.is_some() { Kind::UseAfterUnload } else { Kind::Oops };
    report::note(kind, frame.elr, sched::current_tid());
    let what = match cause {
        Cause::InstructionAbort => "jump to memory that is not executable",
        Cause::DataAbort { write: true } => "store to memory that is not there or not writable",
        Cause::DataAbort { write: false } => "load from memory that is not there",
        Cause::Exception | Cause::Stale { .. } => "unexpected exception",
    };
    print!("{RULE}");
    print!("BUG: lastref: {kind}: {what}: pc={}", Code(frame.elr));
    if let Some(module) = &gone {
        print!(
            "The address is {:#x} bytes inside of module {}, which was unloaded",
            module.offset, module.name
        );
    }
    print!("ESR {esr:#010x} FAR {far:016x} by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
    for n in (0..30).step_by(3) {
        print!(
            "x{n:<2} {:016x}  x{:<2} {:016x}  x{:<2} {:016x}",
            frame.x[n],
            n + 1,
            frame.x[n + 1],
            n + 2,
            frame.x[n + 2]
        );
    }
    print!("lr  {:016x}  sp  {:016x}  spsr {:08x}", frame.x[30], frame.sp, frame.spsr);
    let pc = if cause == Cause::InstructionAbort { frame.x[30] } else { frame.elr };
    report::stack("Call trace", core::iter::once(pc).chain(callers(frame)));
    if let Some(module) = &gone {
        report::module_history(&module.life);
    }
    print!("{RULE}");
}

/// Who called what faulted. What makes no frame has its caller in X30.
fn callers(frame: &TrapFrame) -> impl Iterator<Item = u64> {
    let direct = mem::is_frameless(frame.elr).then_some(frame.x[30]);
    direct.into_iter().chain(frames_from(frame.x[29]))
}

/// A kernel stack ran into its guard; what lies above may be anything.
pub fn stack_overflow(sp: u64, fp: u64, pc: u64) -> ! {
    arch::set_held_locks(0);
    report::note(Kind::Oops, pc, sched::current_tid());
    print!("{RULE}");
    print!("BUG: lastref: oops: kernel stack overflow: pc=[<{pc:016x}>]");
    print!("SP {sp:016x} by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
    report::stack("Call trace", core::iter::once(pc).chain(frames_from(fp)));
    print!("{RULE}");
    panic!("kernel stack overflow");
}

/// Kills the task that faulted, with interrupts as they were when it did.
fn die(spsr: u64) -> ! {
    let in_interrupt = spsr & IRQS_MASKED != 0;
    if in_interrupt {
        panic!("a fault that no task can be killed for");
    }
    percpu::this().in_oops.store(false, Ordering::SeqCst);
    irq::irq_enable();
    end_task()
}

/// Ends the running task, which the kernel failed under. What it holds stays held for ever.
pub fn end_task() -> ! {
    if process::current().is_none() {
        panic!("a failure that no task can be killed for");
    }
    process::oops_exit()
}

/// Another CPU ends the machine.
pub fn stop_this_cpu() -> ! {
    irq::irq_disable();
    loop {
        irq::wait_for_interrupt();
    }
}

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Ends the machine: message, stack, non-zero status.
pub fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    irq::irq_disable();
    arch::set_held_locks(0);
    if PANICKING.swap(true, Ordering::SeqCst) {
        arch::power_off(PANIC_STATUS + 1);
    }
    smp::stop_others();
    crate::drivers::console::break_lock();
    print!("{RULE}");
    print!("Kernel panic: {}", info.message());
    if let Some(at) = info.location() {
        print!("at {}:{}, task {} on CPU {}", at.file(), at.line(), sched::current_tid(), arch::cpu_id());
    }
    report::stack("Call trace", frames_from(frame_pointer()));
    print!("{RULE}");
    arch::power_off(PANIC_STATUS)
}
