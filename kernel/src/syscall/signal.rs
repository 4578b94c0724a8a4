//! Signals (Linux: `kernel/signal.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::time::{self, Timespec};
use crate::arch::TrapFrame;
use crate::mm::user;
use crate::process::signal::frame;
use crate::process::signal::queue::Taken;
use crate::process::signal::{
    Action, Info, MAX_SIGNAL, SI_TKILL, SI_USER, SigSet, SignalStack, UNBLOCKABLE, send_process,
    send_process_with, send_thread, send_thread_with,
};
use crate::process::{Thread, signal, tree};
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

/// `EINVAL` for a number that no signal has.
pub(super) fn check(signal: u32) -> Result<()> {
    if signal > MAX_SIGNAL { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `kill`: a process, the caller's group (0), all but init and the caller (-1), or a group. Signal 0 only looks.
pub fn sys_kill(thread: &Thread, pid: i32, signal: u32) -> Result<usize> {
    let me = thread.process().pid();
    let targets: alloc::vec::Vec<_> = {
        let tree = tree::lock();
        let group = match pid {
            0 => tree.node(me).map_or(0, |node| node.pgid),
            _ => pid.unsigned_abs(),
        };
        let meant = |at: u32, node: &tree::Node| match pid {
            -1 => at != me && at != tree::INIT,
            1.. => at == group,
            _ => node.pgid == group,
        };
        let found = tree.nodes().filter(|(at, node)| meant(**at, node));
        found.map(|(_, node)| node.process.clone()).collect()
    };
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    check(signal)?;
    let info = Info { signal, code: SI_USER, detail: u64::from(me) };
    targets.iter().filter(|_| signal != 0).for_each(|process| send_process(process, info));
    Ok(0)
}

/// The thread of a number, and of a process where one is named. `EINVAL`, `ESRCH`.
fn target(pid: Option<i32>, tid: i32) -> Result<Thread> {
    if tid <= 0 || pid.is_some_and(|pid| pid <= 0) {
        return Err(Errno::EINVAL);
    }
    let tree = tree::lock();
    let thread = tree.thread(tid as u32).ok_or(Errno::ESRCH)?;
    match pid {
        Some(pid) if pid as u32 != thread.process().pid() => Err(Errno::ESRCH),
        _ => Ok(thread.clone()),
    }
}

/// `tgkill`, and `tkill` without a process.
pub fn sys_tgkill(thread: &Thread, pid: Option<i32>, tid: i32, signal: u32) -> Result<usize> {
    let target = target(pid, tid)?;
    check(signal)?;
    if signal != 0 {
        send_thread(&target, Info { signal, code: SI_TKILL, detail: u64::from(thread.process().pid()) });
    }
    Ok(0)
}

/// `siginfo_t`, as far as it is passed on: number, error, reason; sender and user; value.
type RawInfo = [u32; 8];

/// What is to be sent with a signal that says itself why. `EFAULT`; `EPERM` for what only the kernel says, to others.
fn reason(thread: &Thread, to: i32, signal: u32, at: u64) -> Result<Taken> {
    let raw: RawInfo = user::read(at)?;
    let code = raw[2] as i32;
    if (code >= 0 || code == SI_TKILL) && to as u32 != thread.process().pid() {
        return Err(Errno::EPERM);
    }
    let pair = |low: usize| u64::from(raw[low]) | u64::from(raw[low + 1]) << 32;
    Ok(Taken { info: Info { signal, code, detail: pair(4) }, value: pair(6) })
}

/// [`reason`] where the number is in it, too: `EINVAL` unless it is this one.
pub(super) fn reason_of(thread: &Thread, to: i32, signal: u32, at: u64) -> Result<Taken> {
    let raw: RawInfo = user::read(at)?;
    if raw[0] != signal { Err(Errno::EINVAL) } else { reason(thread, to, signal, at) }
}

/// `rt_sigqueueinfo`: to a process, with a reason and a value. As [`sys_kill`], `EFAULT`, `EPERM`.
pub fn sys_rt_sigqueueinfo(thread: &Thread, pid: i32, signal: u32, info: u64) -> Result<usize> {
    let what = reason(thread, pid, signal, info)?;
    let found = u32::try_from(pid).ok().and_then(|tid| tree::lock().thread(tid).cloned());
    let found = found.ok_or(Errno::ESRCH)?;
    check(signal)?;
    if signal != 0 {
        send_process_with(found.process(), what);
    }
    Ok(0)
}

/// `rt_tgsigqueueinfo`: to a thread. As [`sys_tgkill`], `EFAULT`, `EPERM`.
pub fn sys_rt_tgsigqueueinfo(thread: &Thread, pid: i32, tid: i32, signal: u32, info: u64) -> Result<usize> {
    if pid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL);
    }
    let what = reason(thread, pid, signal, info)?;
    let target = target(Some(pid), tid)?;
    check(signal)?;
    if signal != 0 {
        send_thread_with(&target, what);
    }
    Ok(0)
}

/// A set's size is always 8 bytes.
fn check_size(size: u64) -> Result<()> {
    if size == 8 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Makes a call under the mask at `set`, if there is one; a signal that ends the call is delivered under it, too.
/// `EINVAL`, `EFAULT`.
pub fn under_mask(
    thread: &Thread,
    set: u64,
    size: u64,
    call: impl FnOnce() -> Result<usize>,
) -> Result<usize> {
    if set == 0 {
        return call();
    }
    check_size(size)?;
    let set: SigSet = user::read(set)?;
    let before = thread.mask();
    thread.set_mask(set);
    let outcome = call();
    if outcome == Err(Errno::EINTR) {
        thread.restore_mask_later(before);
    } else {
        thread.set_mask(before);
    }
    outcome
}

/// [`under_mask`] where set and size are in user memory, as `pselect6` has them. `EFAULT`, `EINVAL`.
pub fn under_packed_mask(thread: &Thread, at: u64, call: impl FnOnce() -> Result<usize>) -> Result<usize> {
    let [set, size] = if at == 0 { [0; 2] } else { user::read(at)? };
    under_mask(thread, set, size, call)
}

/// `rt_sigaction`.
pub fn sys_rt_sigaction(thread: &Thread, signal: u32, new: u64, old: u64, size: u64) -> Result<usize> {
    check_size(size)?;
    if signal == 0 || signal > MAX_SIGNAL || (new != 0 && UNBLOCKABLE & signal::bit(signal) != 0) {
        return Err(Errno::EINVAL);
    }
    let mut new = if new != 0 { Some(user::read::<Action>(new)?) } else { None };
    if let Some(new) = &mut new {
        new.flags &= signal::SA_KNOWN;
    }
    let before = thread.process().change_action(signal, new);
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// `rt_sigprocmask`.
pub fn sys_rt_sigprocmask(thread: &Thread, how: u32, set: u64, old: u64, size: u64) -> Result<usize> {
    check_size(size)?;
    let before = thread.mask();
    if set != 0 {
        let set: SigSet = user::read(set)?;
        thread.set_mask(match how {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(Errno::EINVAL),
        });
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// `rt_sigpending`: as much of the set as is asked for.
pub fn sys_rt_sigpending(thread: &Thread, to: u64, size: u64) -> Result<usize> {
    let set = (thread.pending() & thread.mask()).to_ne_bytes();
    let part = usize::try_from(size).ok().and_then(|size| set.get(..size)).ok_or(Errno::EINVAL)?;
    user::write_bytes(to, part).map(|()| 0)
}

/// `rt_sigsuspend`: always `EINTR`, in the end.
pub fn sys_rt_sigsuspend(thread: &Thread, set: u64, size: u64) -> Result<usize> {
    check_size(size)?;
    let set: SigSet = user::read(set)?;
    let before = thread.mask();
    thread.set_mask(set);
    let _ = WaitQueue::new().wait_interruptible(Interruptible::Yes, || None::<()>);
    thread.restore_mask_later(before);
    Err(Errno::EINTR)
}

/// `rt_sigtimedwait`: takes a pending signal of a set, which the caller blocks. `EAGAIN` when none comes in time,
/// `EINTR`.
pub fn sys_rt_sigtimedwait(thread: &Thread, set: u64, info: u64, timeout: u64, size: u64) -> Result<usize> {
    check_size(size)?;
    let set: SigSet = user::read::<SigSet>(set)? & !UNBLOCKABLE;
    let deadline = match timeout {
        0 => None,
        at => Some(time::after(user::read::<Timespec>(at)?.to_ns()?)),
    };
    // While it waits the set is open, so that a sender wakes it.
    let before = thread.mask();
    thread.set_mask(before & !set);
    let waited = WaitQueue::new().wait_with(Interruptible::Yes, deadline, || thread.take_of(set));
    let taken = waited.or_else(|e| thread.take_of(set).ok_or(e));
    thread.set_mask(before);
    let taken = taken.map_err(|e| if e == Errno::ETIMEDOUT { Errno::EAGAIN } else { e })?;
    if info != 0 {
        let mut bytes = [0u32; 32];
        let Taken { info: Info { signal, code, detail }, value } = taken;
        (bytes[0], bytes[2]) = (signal, code as u32);
        (bytes[4], bytes[5], bytes[6], bytes[7]) =
            (detail as u32, (detail >> 32) as u32, value as u32, (value >> 32) as u32);
        user::write(info, &bytes)?;
    }
    Ok(taken.info.signal as usize)
}

/// `rt_sigreturn`: back from a handler. A frame that is none kills.
pub fn sys_rt_sigreturn(thread: &Thread, regs: &mut TrapFrame) -> Result<usize> {
    match frame::pop(thread, regs) {
        Ok(first) => {
            thread.kick();
            Ok(first as usize)
        }
        Err(_) => {
            let info = Info { signal: signal::SIGSEGV, code: signal::SI_KERNEL, detail: regs.sp };
            signal::force(thread, info);
            thread.kick();
            Ok(0)
        }
    }
}

/// `sigaltstack`. `EPERM` while it is in use, `ENOMEM` when too small, `EINVAL`.
pub fn sys_sigaltstack(thread: &Thread, new: u64, old: u64, sp: u64) -> Result<usize> {
    const SS_ONSTACK: u32 = 1;
    const SS_DISABLE: u32 = 2;
    const MIN: u64 = 5120;
    let before = *thread.alt_stack.lock();
    let used = frame::on_stack(&before, sp);
    if new != 0 {
        let new: SignalStack = user::read(new)?;
        match () {
            () if used => return Err(Errno::EPERM),
            () if new.flags & !(SS_ONSTACK | SS_DISABLE) != 0 => return Err(Errno::EINVAL),
            () if new.flags & SS_DISABLE != 0 => *thread.alt_stack.lock() = SignalStack::default(),
            () if new.size < MIN => return Err(Errno::ENOMEM),
            () => *thread.alt_stack.lock() = SignalStack { flags: 0, ..new },
        }
    }
    if old != 0 {
        let flags = if used { SS_ONSTACK } else { before.flags };
        user::write(old, &SignalStack { flags, ..before })?;
    }
    Ok(0)
}
