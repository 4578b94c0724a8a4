//! The calls about processes as files (Linux: `kernel/pid.c`, `kernel/signal.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::{Ctx, signal};
use crate::process::signal::{Info, SI_USER, send_process, send_process_with};
use crate::process::{Thread, pidfd, tree};
use crate::vfs::flags::O_NONBLOCK;

/// `pidfd_open`. `EINVAL` for what is no process' number, `ESRCH`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_pidfd_open(ctx: &Ctx, pid: i32, flags: u32) -> Result<usize> {
    if flags & !O_NONBLOCK != 0 || pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let process = {
        let tree = tree::lock();
        let is_thread = tree.process_of(pid as u32).is_some_and(|process| process != pid as u32);
        match tree.node(pid as u32) {
            Some(node) => node.process.clone(),
            None if is_thread => return Err(Errno::EINVAL),
            None => return Err(Errno::ESRCH),
        }
    };
    let slot = ctx.files.reserve(true)?;
    Ok(slot.install(pidfd::new(process, flags)?))
}

/// `pidfd_send_signal`. `EINVAL`, `EBADF`, `EPERM`, `EFAULT`; `ESRCH` once somebody saw how it ended.
pub fn sys_pidfd_send_signal(
    thread: &Thread,
    ctx: &Ctx,
    fd: i32,
    number: u32,
    info: u64,
    flags: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let process = pidfd::process_of(&*ctx.file(fd)?)?;
    let what = match info {
        0 => None,
        at => Some(signal::reason_of(thread, process.pid() as i32, number, at)?),
    };
    if !pidfd::is_there(&process) {
        return Err(Errno::ESRCH);
    }
    signal::check(number)?;
    match (number, what) {
        (0, _) => {}
        (_, Some(what)) => drop(send_process_with(&process, what)),
        (signal, None) => {
            let detail = u64::from(thread.process().pid());
            send_process(&process, Info { signal, code: SI_USER, detail });
        }
    }
    Ok(0)
}

/// `pidfd_getfd`: another process' open file. `EINVAL`, `EBADF`, `ESRCH`, `EMFILE`, `ENOMEM`.
pub fn sys_pidfd_getfd(ctx: &Ctx, pidfd: i32, fd: i32, flags: u32) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let process = pidfd::process_of(&*ctx.file(pidfd)?)?;
    let other = tree::lock().node(process.pid()).and_then(|node| node.threads.first().cloned());
    let other = other.filter(|thread| alloc::sync::Arc::ptr_eq(thread.process(), &process));
    let file = other.ok_or(Errno::ESRCH)?.files().get(fd)?;
    ctx.files.add(file, true)
}
