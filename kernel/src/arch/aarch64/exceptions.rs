//! What the vectors call: system calls, faults and interrupts.

use core::arch::asm;
use core::sync::atomic::{Ordering, fence};

use aarch64_cpu::registers::{ESR_EL1, FAR_EL1, Readable, VBAR_EL1, Writeable};

#[cfg(feature = "kasan")]
use super::kasan;
use super::percpu::{self, work};
use super::vectors::TrapFrame;
use super::{gic, hold, irq, layout, timer, uaccess};
use crate::arch::fault::{FaultKind, UserFault};
use crate::debug::kmsg;
use crate::debug::oops::{self, Cause};
use crate::debug::{steps, strace};
use crate::drivers::{console, interrupts};
use crate::time::timer as timers;
use crate::{process, sched, syscall};

/// Sets this CPU's vectors: those that trace system calls where they are traced.
pub fn init_cpu() {
    unsafe extern "C" {
        static exception_vectors: u8;
        static tracing_vectors: u8;
    }
    let vectors = if strace::is_on() || steps::traces_calls() {
        &raw const tracing_vectors
    } else {
        &raw const exception_vectors
    };
    VBAR_EL1.set(vectors.addr() as u64);
    // SAFETY: FP and SIMD are for EL0 only; the kernel is compiled without. PAN on, here and at every entry.
    unsafe {
        asm!("msr cpacr_el1, {fpen}", "isb", ".arch_extension pan", "msr pan, #1", fpen = in(reg) 3u64 << 20,
            options(nostack));
    }
    irq::unmask_async();
}

const EC_SVC: u64 = 0x15;

#[unsafe(no_mangle)]
extern "C" fn user_sync(frame: &mut TrapFrame) {
    let esr = ESR_EL1.get();
    if esr >> 26 & 0x3f == EC_SVC {
        irq::irq_enable();
        syscall::dispatch(frame);
    } else {
        fault_from_user(frame, esr);
    }
}

#[unsafe(no_mangle)]
extern "C" fn user_sync_traced(frame: &mut TrapFrame) {
    let esr = ESR_EL1.get();
    if esr >> 26 & 0x3f == EC_SVC {
        irq::irq_enable();
        strace::call(frame);
    } else {
        fault_from_user(frame, esr);
    }
}

#[cold]
#[inline(never)]
fn fault_from_user(frame: &mut TrapFrame, esr: u64) {
    let fault = user_fault(esr, FAR_EL1.get(), frame.elr);
    irq::irq_enable();
    process::fault::user_fault(frame, fault);
}

fn user_fault(esr: u64, far: u64, elr: u64) -> UserFault {
    let (status, write) = (esr & 0x3f, esr >> 6 & 1 == 1);
    let page = |exec: bool| match status {
        0x21 => FaultKind::Alignment,
        0x11 if !exec => FaultKind::TagCheck,
        0..=0xf => FaultKind::Page { write: write && !exec, exec },
        _ => FaultKind::Other,
    };
    match esr >> 26 & 0x3f {
        0x20 => UserFault { kind: page(true), addr: far },
        0x24 => UserFault { kind: page(false), addr: far },
        0x22 | 0x26 => UserFault { kind: FaultKind::Alignment, addr: far },
        0x3c | 0x30 | 0x32 => UserFault { kind: FaultKind::Breakpoint, addr: elr },
        0x00 | 0x0e | 0x18 | 0x07 | 0x19 | 0x1d | 0x0d => {
            UserFault { kind: FaultKind::IllegalInstruction, addr: elr }
        }
        _ => UserFault { kind: FaultKind::Other, addr: elr },
    }
}

#[unsafe(no_mangle)]
extern "C" fn user_irq(_: &mut TrapFrame) {
    handle_interrupts(true);
}

#[unsafe(no_mangle)]
extern "C" fn user_other(frame: &mut TrapFrame) {
    irq::irq_enable();
    process::fault::user_fault(frame, UserFault { kind: FaultKind::Other, addr: frame.elr });
}

/// The slow way back to user space, while there is work.
#[unsafe(no_mangle)]
extern "C" fn user_work(frame: &mut TrapFrame) {
    let bits = percpu::this().take_work();
    irq::irq_enable();
    if bits & work::RESCHED != 0 {
        sched::schedule();
    }
    console::send_posted();
    kmsg::wake_readers();
    timers::run_due();
    process::before_user(frame);
    irq::irq_disable();
}

#[unsafe(no_mangle)]
extern "C" fn kernel_irq(_: &mut TrapFrame) {
    handle_interrupts(false);
}

fn handle_interrupts(in_user: bool) {
    let cpu = percpu::this();
    loop {
        let intid = gic::acknowledge();
        if intid >= gic::SPURIOUS {
            return;
        }
        // What this CPU did before is seen by whoever sees the count, and the other way round.
        fence(Ordering::SeqCst);
        cpu.interrupts.fetch_add(1, Ordering::SeqCst);
        match intid {
            timer::INTERRUPT => sched::tick(in_user),
            gic::SGI_RESCHED => cpu.add_work(work::RESCHED | work::SIGNAL),
            gic::SGI_STOP => oops::stop_this_cpu(),
            gic::SGI_HOLD => hold::stand_still(),
            spi => {
                if !super::uart::interrupt(spi) && !interrupts::arrived(spi) {
                    gic::disable_spi(spi);
                }
                // A key may have posted a signal, a device have woken somebody.
                cpu.add_work(work::SIGNAL);
            }
        }
        gic::end(intid);
    }
}

#[unsafe(no_mangle)]
extern "C" fn kernel_sync(frame: &mut TrapFrame) {
    let (esr, far) = (ESR_EL1.get(), FAR_EL1.get());
    let (class, status, write) = (esr >> 26 & 0x3f, esr & 0x3f, esr >> 6 & 1 == 1);
    let failed = uaccess::fixup(frame.elr).filter(|_| class == 0x25 && far < layout::USER_END);
    if let Some(failed) = failed {
        return user_access(frame, failed, status < 0x10, far, write);
    }
    #[cfg(feature = "kasan")]
    if let Some(kasan::Refused { addr, write, pc }) = kasan::refused(esr, frame) {
        return oops::kernel_fault(Cause::Stale { write, pc }, esr, addr, frame);
    }
    let cause = match (class, status) {
        (0x25, 0x11) => Cause::Stale { write, pc: frame.elr },
        (0x25, _) => Cause::DataAbort { write },
        (0x21, _) => Cause::InstructionAbort,
        _ => Cause::Exception,
    };
    oops::kernel_fault(cause, esr, far, frame);
}

/// A copy from or to user memory faulted: it goes on when the page can be had, and at `failed` when not.
fn user_access(frame: &mut TrapFrame, failed: u64, page_fault: bool, addr: u64, write: bool) {
    if frame.spsr & 0x80 == 0 {
        irq::irq_enable();
    }
    let resolved = page_fault && process::fault::kernel_access_fault(addr, write);
    irq::irq_disable();
    if !resolved {
        frame.elr = failed;
    }
}

#[unsafe(no_mangle)]
extern "C" fn stack_overflow(sp: u64, fp: u64, pc: u64) -> ! {
    oops::stack_overflow(sp, fp, pc)
}

#[unsafe(no_mangle)]
extern "C" fn unexpected_exception(esr: u64, elr: u64, far: u64) -> ! {
    panic!("unexpected exception: ESR {esr:#x} at [<{elr:016x}>], FAR {far:#x}")
}
