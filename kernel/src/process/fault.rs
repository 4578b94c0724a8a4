//! What an access that failed does: a page appears, or a signal is raised (Linux: `arch/arm64/mm/fault.c`).
#![forbid(unsafe_code)]

use crate::arch::{FaultKind, TrapFrame, UserFault};
use crate::mm::aspace::{Access, FaultError};
use crate::process::signal::{self, Info, SIGBUS, SIGILL, SIGKILL, SIGSEGV, SIGTRAP};
use crate::process::{Thread, current, oom};

const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const SEGV_MTESERR: i32 = 9;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;

/// User space did something it cannot. Called with interrupts on and no lock held; may sleep.
/// [`before_user`](super::before_user) follows.
pub fn user_fault(frame: &mut TrapFrame, fault: UserFault) {
    let Some(thread) = current() else { return };
    let addr = fault.addr;
    let (signal, code) = match fault.kind {
        FaultKind::Page { write, exec } => match resolve(&thread, addr, access(write, exec)) {
            Ok(()) => return,
            Err(FaultError::Unmapped) => (SIGSEGV, SEGV_MAPERR),
            Err(FaultError::Denied) => (SIGSEGV, SEGV_ACCERR),
            Err(FaultError::NoPage) => (SIGBUS, BUS_ADRERR),
            // It is tried again.
            Err(FaultError::NoMemory) if oom::make_room(&thread) || thread.is_killed() => return,
            Err(FaultError::NoMemory) => {
                log::error!("Out of memory and nobody else to kill: process {}", thread.process().pid());
                (SIGKILL, signal::SI_KERNEL)
            }
        },
        FaultKind::Alignment => (SIGBUS, BUS_ADRALN),
        FaultKind::IllegalInstruction => (SIGILL, ILL_ILLOPC),
        FaultKind::Breakpoint => (SIGTRAP, TRAP_BRKPT),
        FaultKind::TagCheck => (SIGSEGV, SEGV_MTESERR),
        FaultKind::Other => (SIGILL, signal::SI_KERNEL),
    };
    log::debug!("pid {}: signal {signal} at pc {:#x}, address {addr:#x}", thread.process().pid(), frame.elr);
    signal::force(&thread, Info { signal, code, detail: addr });
    thread.kick();
}

/// A copy from or to user space met a page that is not there. Whether it can be tried again. May sleep; the caller
/// holds no lock of rank MMAP or above.
pub fn kernel_access_fault(addr: u64, write: bool) -> bool {
    let Some(thread) = current() else { return false };
    loop {
        match resolve(&thread, addr, access(write, false)) {
            Err(FaultError::NoMemory) if oom::make_room(&thread) => {}
            outcome => return outcome.is_ok(),
        }
    }
}

fn access(write: bool, exec: bool) -> Access {
    match (write, exec) {
        (true, _) => Access::Write,
        (_, true) => Access::Exec,
        _ => Access::Read,
    }
}

fn resolve(thread: &Thread, addr: u64, access: Access) -> Result<(), FaultError> {
    // The top byte is ignored by loads and stores, and names no other page.
    let addr = if access == Access::Exec { addr } else { addr & 0x00ff_ffff_ffff_ffff };
    match thread.mm() {
        Some(mm) => mm.fault(addr, access),
        None => Err(FaultError::Unmapped),
    }
}
