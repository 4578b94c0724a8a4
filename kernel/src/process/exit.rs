//! The end of threads and processes (Linux: `kernel/exit.c`).
//!
//! Nothing is left: memory, files and the thread's own record go here, the status word when the parent has seen it,
//! the kernel stack when the scheduler has switched away from it.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use super::group::Process;
use super::signal::queue::Taken;
use super::signal::{self, IGNORE, Info, SA_NOCLDWAIT, SI_USER, SIGCHLD, SIGCONT, SIGHUP, SIGKILL};
use super::thread::{Thread, current};
use super::tree::Orphans;
use super::{futex, jobs, robust, tree};
use crate::debug::strace;
use crate::drivers::console;
use crate::mm::user;
use crate::vfs::file::READABLE;
use crate::{arch, sched};

/// The status word of an exit with a code.
pub const fn exited(code: u32) -> u32 {
    (code & 0xff) << 8
}

/// What the machine ends with when init ends with a status word: its code, or 128 and the signal.
const fn machine_status(status: u32) -> u32 {
    if status & 0x7f == 0 { status >> 8 & 0xff } else { 128 + (status & 0x7f) }
}

/// Asks every thread of a process to end, and returns the status word it ends with. The caller goes on to end too.
pub fn end_group(thread: &Thread, status: u32) -> u32 {
    let process = thread.process();
    let status = process.set_group_exit(status);
    for other in others(thread) {
        other.end(status);
        other.kick();
    }
    status
}

/// The threads of the calling thread's process but itself.
pub fn others(thread: &Thread) -> alloc::vec::Vec<Thread> {
    let tree = tree::lock();
    let threads = tree.node(thread.process().pid()).map(|node| node.threads.as_slice()).unwrap_or_default();
    threads.iter().filter(|other| !Thread::same(other, thread)).cloned().collect()
}

/// Ends the calling thread with a status word. Only where nothing on the kernel stack has to be dropped.
pub fn do_exit(status: u32) -> ! {
    if strace::is_on() {
        strace::ended(status);
    }
    sched::leave();
    if let Some(thread) = current() {
        release(&thread, status);
    }
    sched::exit_current()
}

/// Has the calling thread's process end on its way back to user space, because the kernel failed under it. Takes no
/// lock.
pub fn doom() {
    sched::with_current(|task| {
        if let Some(thread) = &task.thread {
            thread.pending.fetch_or(signal::bit(SIGKILL), Ordering::AcqRel);
            sched::wake_interruptible(task);
        }
    });
}

/// Ends the calling thread after the kernel failed under it. Whatever its stack refers to stays for ever.
pub fn oops_exit() -> ! {
    let status = current().map_or(0, |thread| {
        thread.end(SIGKILL);
        end_group(&thread, SIGKILL)
    });
    do_exit(status)
}

fn release(thread: &Thread, status: u32) {
    robust::release(thread);
    clear_tid(thread);
    let mm = thread.replace_mm(None);
    thread.complete_vfork();
    drop(mm);
    thread.leave_files();
    thread.forget_task();

    let (held, last) = tree::lock().remove_thread(thread);
    drop(held);
    let process = thread.process();
    process.threads.wake_all();
    if last {
        finish(process, process.group_exit().unwrap_or(status));
    } else {
        thread.pass_on(!thread.mask());
    }
}

/// Clears the word that joiners wait on, and wakes one.
fn clear_tid(thread: &Thread) {
    let addr = thread.clear_tid.swap(0, Ordering::Relaxed);
    if addr != 0 && user::write(addr, &0u32).is_ok() {
        let _ = futex::wake(thread, addr, false, 1, !0);
    }
}

/// The last thread of a process has ended.
fn finish(process: &Process, status: u32) {
    process.set_program(super::group::Program::default());
    process.timers.clear();
    if process.pid() == tree::INIT {
        log::info!("init ended with status {status:#x}");
        arch::power_off(machine_status(status));
    }
    console::leader_left(process.pid());
    let Orphans { heir, told, groups } = tree::lock().orphan_children(process.pid());
    if let Some(heir) = heir {
        heir.children.wake_all();
    }
    for group in groups {
        jobs::send_group(group, SIGHUP);
        jobs::send_group(group, SIGCONT);
    }
    for (orphan, signal) in told {
        signal::send_process(&orphan, Info { signal, code: SI_USER, detail: u64::from(process.pid()) });
    }
    let parent = become_zombie(process.pid(), status);
    process.ended.notify(READABLE);
    let Some((parent, exit_signal)) = parent else { return };
    let no_zombie = exit_signal == SIGCHLD && {
        let action = parent.signals.lock().action(SIGCHLD);
        action.handler == IGNORE || action.flags & SA_NOCLDWAIT != 0
    };
    if no_zombie {
        let node = tree::lock().reap(process.pid());
        drop(node);
    }
    if exit_signal != 0 {
        signal::send_process_with(&parent, child_info(exit_signal, process.pid(), status));
    }
    parent.children.wake_all();
}

/// Leaves the status for the parent to see; returns the parent and the signal it wants. An orphan of a process that
/// is gone too just goes.
fn become_zombie(pid: u32, status: u32) -> Option<(alloc::sync::Arc<Process>, u32)> {
    let mut tree = tree::lock();
    let node = tree.node_mut(pid)?;
    node.status = Some(status);
    let (parent, exit_signal) = (node.parent, node.exit_signal);
    let parent = tree.node(parent).map(|node| (node.process.clone(), exit_signal));
    let gone = if parent.is_none() { tree.reap(pid) } else { None };
    drop(tree);
    drop(gone);
    parent
}

/// SIGCHLD's reason: how the child ended, who it was, its code or signal.
fn child_info(signal: u32, pid: u32, status: u32) -> Taken {
    const CLD_EXITED: i32 = 1;
    const CLD_KILLED: i32 = 2;
    let (code, value) = match status & 0x7f {
        0 => (CLD_EXITED, status >> 8 & 0xff),
        by => (CLD_KILLED, by),
    };
    Taken { info: Info { signal, code, detail: u64::from(pid) }, value: u64::from(value) }
}
