//! Making processes and threads: `clone` in its forms (Linux: `kernel/fork.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use bitflags::bitflags;
use heaps::{Errno, Result};

use super::group::Process;
use super::pidfd;
use super::shared::{Directories, Files};
use super::thread::{Completion, Parts, Thread, fp_snapshot};
use super::tree::{self, Number};
use crate::arch::{self, TrapFrame};
use crate::mm::admit::admit;
use crate::mm::{commit, user};
use crate::sched;
use crate::vfs::File;
use crate::vfs::fdtable::Reservation;

bitflags! {
    /// `clone`'s flags that mean something here; values as on Linux.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CloneFlags: u64 {
        /// Share memory.
        const VM = 0x100;
        /// Share root, current directory and umask.
        const FS = 0x200;
        /// Share descriptors.
        const FILES = 0x400;
        /// Share signal dispositions.
        const SIGHAND = 0x800;
        /// Give the parent a descriptor of the child.
        const PIDFD = 0x1000;
        /// Trace the child too; nobody traces.
        const PTRACE = 0x2000;
        /// The parent waits until the child has its own memory.
        const VFORK = 0x4000;
        /// The caller's parent is the child's parent.
        const PARENT = 0x8000;
        /// A thread of the caller's process.
        const THREAD = 0x1_0000;
        /// Share System V semaphore undo lists; there are none.
        const SYSVSEM = 0x4_0000;
        /// Set the thread pointer.
        const SETTLS = 0x8_0000;
        /// Write the number to the parent's memory.
        const PARENT_SETTID = 0x10_0000;
        /// Clear a word in the child's memory when it ends, and wake who waits there.
        const CHILD_CLEARTID = 0x20_0000;
        /// Ignored by Linux too.
        const DETACHED = 0x40_0000;
        /// Nobody may trace the child.
        const UNTRACED = 0x80_0000;
        /// Write the number to the child's memory.
        const CHILD_SETTID = 0x100_0000;
        /// Share an I/O context; there is none.
        const IO = 0x8000_0000;
        /// Only for `clone3`: signal handlers are the default in the child.
        const CLEAR_SIGHAND = 0x1_0000_0000;
    }
}

/// What `clone` is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How.
    pub flags: CloneFlags,
    /// The child's stack pointer; 0 for the parent's.
    pub stack: u64,
    /// Where the parent finds the number.
    pub parent_tid: u64,
    /// Where the child finds it, and what is cleared at its end.
    pub child_tid: u64,
    /// Where the parent finds its descriptor of the child.
    pub pidfd: u64,
    /// The child's thread pointer.
    pub tls: u64,
    /// The signal the parent gets at the child's end.
    pub exit_signal: u32,
}

impl Request {
    fn check(&self) -> Result<()> {
        let flags = self.flags;
        let needs = |flag, other| flags.contains(flag) && !flags.contains(other);
        if needs(CloneFlags::THREAD, CloneFlags::SIGHAND)
            || needs(CloneFlags::SIGHAND, CloneFlags::VM)
            || (flags.contains(CloneFlags::CLEAR_SIGHAND) && flags.contains(CloneFlags::SIGHAND))
            || (flags.contains(CloneFlags::PIDFD)
                && flags.intersects(CloneFlags::THREAD | CloneFlags::DETACHED))
            || self.exit_signal > super::signal::MAX_SIGNAL
        {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// Makes a thread, or a process with one, that goes on from `frame` with 0 as its result; returns its number.
/// `EINVAL`, `EAGAIN`, `ENOMEM`; `EINTR` where the parent is being killed. May sleep.
pub fn clone(parent: &Thread, frame: &TrapFrame, request: &Request) -> Result<u32> {
    request.check()?;
    // Nobody is init's sibling.
    if request.flags.contains(CloneFlags::PARENT) && parent.process().pid() == tree::INIT {
        return Err(Errno::EINVAL);
    }
    commit::admit(32)?;
    admit()?;
    let flags = request.flags;
    let mut number = Number::alloc()?;
    let tid = number.get();
    let child = copy(parent, tid, request)?;
    child.clear_tid.store(
        if flags.contains(CloneFlags::CHILD_CLEARTID) { request.child_tid } else { 0 },
        Ordering::Relaxed,
    );
    let descriptor = describe(parent, &child, request);
    let written = descriptor.as_ref().map_err(|e| *e).and_then(|_| write_numbers(&child, tid, request));
    let entered = written.and_then(|()| enter(parent, &mut number, &child, request));
    if let Err(error) = entered {
        child.leave_files();
        return Err(error);
    }
    let vfork = flags.contains(CloneFlags::VFORK).then(|| Arc::new(Completion::default()));
    if let Some(done) = &vfork {
        child.set_vfork(done.clone());
    }
    let tls = if flags.contains(CloneFlags::SETTLS) { request.tls } else { arch::current_tls() };
    match sched::spawn_user(child.clone(), child_frame(frame, request.stack), fp_snapshot(), tls) {
        Ok(task) => {
            if let Ok(Some((slot, file))) = descriptor {
                slot.install(file);
            }
            child.set_task(task.clone());
            // Whoever asked it to end before there was a task could not kick it.
            if child.has_work() {
                child.kick();
            }
            sched::wake(&task);
        }
        Err(error) => {
            withdraw(&child);
            return Err(error);
        }
    }
    drop(child);
    if let Some(done) = vfork {
        done.wait();
    }
    Ok(tid)
}

fn child_frame(frame: &TrapFrame, stack: u64) -> TrapFrame {
    let mut frame = frame.clone();
    frame.x[0] = 0;
    if stack != 0 {
        frame.sp = stack;
    }
    frame
}

/// The child's side of everything, shared or copied.
fn copy(parent: &Thread, tid: u32, request: &Request) -> Result<Thread> {
    let flags = request.flags;
    let shared = parent.mm().ok_or(Errno::ENOMEM)?;
    let mm = if flags.contains(CloneFlags::VM) { shared } else { Arc::new(shared.fork()?) };
    let process = match flags.contains(CloneFlags::THREAD) {
        true => parent.process().clone(),
        false => fork_process(parent.process(), tid, flags),
    };
    let files = match flags.contains(CloneFlags::FILES) {
        true => parent.shared_files().share(),
        false => Files::new(parent.files().fork()?),
    };
    let fs = match flags.contains(CloneFlags::FS) {
        true => parent.shared_fs().share(),
        false => Directories::new(parent.fs().fork()),
    };
    Ok(Thread::new(Parts { tid, process, mm, files, fs, mask: parent.mask() }))
}

/// A process with the parent's dispositions and program. (Dispositions that are shared between processes, which only
/// ancient thread libraries asked for, are copied instead.)
fn fork_process(parent: &Process, pid: u32, flags: CloneFlags) -> Arc<Process> {
    let mut signals = parent.signals.lock().fork();
    if flags.contains(CloneFlags::CLEAR_SIGHAND) {
        signals.reset_handlers();
    }
    parent.fork(pid, signals)
}

/// A descriptor of the child for the parent, its number written already, where one was asked for. `EMFILE`, `ENFILE`,
/// `ENOMEM`, `EFAULT`.
fn describe(parent: &Thread, child: &Thread, request: &Request) -> Result<Option<(Reservation, Arc<File>)>> {
    if !request.flags.contains(CloneFlags::PIDFD) {
        return Ok(None);
    }
    let slot = parent.files().reserve(true)?;
    let file = pidfd::new(child.process().clone(), 0)?;
    user::write(request.pidfd, &(slot.fd() as u32))?;
    Ok(Some((slot, file)))
}

/// Writes the child's number where it was asked for. As on Linux, what cannot be written is not.
fn write_numbers(child: &Thread, tid: u32, request: &Request) -> Result<()> {
    if request.flags.contains(CloneFlags::PARENT_SETTID) {
        user::write(request.parent_tid, &tid)?;
    }
    if request.flags.contains(CloneFlags::CHILD_SETTID)
        && let Some(mm) = child.mm()
    {
        let _ = mm.write(request.child_tid, &tid.to_le_bytes());
    }
    Ok(())
}

/// Lets the child be found.
fn enter(parent: &Thread, number: &mut Number, child: &Thread, request: &Request) -> Result<()> {
    let mut tree = tree::lock();
    if request.flags.contains(CloneFlags::THREAD) {
        return tree.add_thread(number, child.clone());
    }
    // What was sent to its group before the child was in it is the parent's alone; what kills is not to be escaped.
    if parent.is_killed() {
        return Err(Errno::EINTR);
    }
    let me = parent.process().pid();
    // A sibling tells the common parent of its end as the caller will: the caller has no say in what others get.
    let (parent, exit_signal) = match request.flags.contains(CloneFlags::PARENT) {
        true => tree.node(me).map_or((tree::INIT, 0), |node| (node.parent, node.exit_signal)),
        false => (me, request.exit_signal),
    };
    tree.add_process(number, child.clone(), parent, exit_signal)
}

/// Takes back a child that never ran.
fn withdraw(child: &Thread) {
    child.leave_files();
    let mut tree = tree::lock();
    let (held, last) = tree.remove_thread(child);
    let node = if last { tree.reap(child.process().pid()) } else { None };
    drop(tree);
    drop((held, node));
}
