//! One thread of a process: what it refers to, and what is asked of it.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use heaps::Result;

use super::group::Process;
use super::limits;
use super::replaceable::Replaceable;
use super::shared::{Directories, Files, Release, Shared};
use super::signal::{SigSet, SignalStack};
use crate::arch::{self, UserRoot};
use crate::mm::AddressSpace;
use crate::mm::aspace::MemoryLimits;
use crate::net::unix::Dying;
use crate::sched::{self, TaskRef};
use crate::sync::wait::Interruptible;
use crate::sync::{IrqLock, SpinLock, WaitQueue, order};
use crate::time::clock::Base;
use crate::time::cpu::Meter;
use crate::vfs::{FdTable, FsContext};

/// A thread, counted. The scheduler's task owns one; so does the process tree until the thread has ended.
#[derive(Clone)]
pub struct Thread(Arc<State>);

impl Deref for Thread {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

/// The scheduler's side of a thread, once there is one.
enum Link {
    Starting,
    Running(TaskRef),
    Ended,
}

/// A call that goes on after a stop where it was, however long it had waited (Linux: `struct restart_block`).
#[derive(Clone, Copy, Debug)]
pub enum RestartBlock {
    /// A sleep.
    Sleep {
        /// By which clock.
        base: Base,
        /// Until when.
        until: u64,
        /// The user address for the time left; 0 for none.
        left: u64,
    },
    /// Waiting at a word of user memory.
    Futex {
        /// The word.
        addr: u64,
        /// Whether only this address space's threads meet there.
        private: bool,
        /// What it has to be.
        value: u32,
        /// Until when, in nanoseconds since boot.
        until: u64,
        /// Which wake-ups count.
        bits: u32,
    },
}

/// What a thread is started with.
pub struct Parts {
    /// Its number.
    pub tid: u32,
    /// Its process.
    pub process: Arc<Process>,
    /// Its memory.
    pub mm: Arc<AddressSpace>,
    /// Its files.
    pub files: Arc<Files>,
    /// Its directories.
    pub fs: Arc<Directories>,
    /// The signals it blocks.
    pub mask: SigSet,
}

/// What there is behind a [`Thread`].
pub struct State {
    tid: AtomicU32,
    process: Arc<Process>,
    files: Replaceable<Arc<Files>>,
    fs: Replaceable<Arc<Directories>>,
    mm: SpinLock<Option<Arc<AddressSpace>>, { order::TASK }>,
    root: IrqLock<Option<UserRoot>, { order::USER_ROOT }>,
    link: SpinLock<Link, { order::TASK }>,
    vfork: SpinLock<Option<Arc<Completion>>, { order::TASK }>,
    /// Status to end with, plus one; 0 while it shall go on.
    ending: AtomicU64,
    pub(super) pending: AtomicU64,
    pub(super) mask: AtomicU64,
    /// The mask to restore after the handlers that interrupted `rt_sigsuspend`, and whether there is one.
    pub(crate) saved_mask: AtomicU64,
    pub(crate) has_saved_mask: AtomicBool,
    pub(crate) alt_stack: SpinLock<SignalStack, { order::TASK }>,
    /// The first argument of a call that a signal may have to restart, and that call's number plus one.
    pub(super) restart: [AtomicU64; 2],
    dying: Dying,
    /// User address of the word to clear, and wake, when the thread ends.
    pub clear_tid: AtomicU64,
    /// User address of the robust futex list's head.
    pub robust_list: AtomicU64,
    /// Its CPU time.
    pub cpu: Meter,
    /// What an interrupted sleep goes on with.
    pub(crate) restart_block: SpinLock<Option<RestartBlock>, { order::TASK }>,
}

impl Thread {
    /// A thread that does not run yet. It is counted as one user of its files already.
    pub fn new(parts: Parts) -> Thread {
        Thread(Arc::new(State {
            tid: AtomicU32::new(parts.tid),
            process: parts.process,
            files: Replaceable::new(parts.files),
            fs: Replaceable::new(parts.fs),
            root: IrqLock::new(Some(parts.mm.root())),
            mm: SpinLock::new(Some(parts.mm)),
            link: SpinLock::new(Link::Starting),
            vfork: SpinLock::new(None),
            ending: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            mask: AtomicU64::new(parts.mask),
            saved_mask: AtomicU64::new(0),
            has_saved_mask: AtomicBool::new(false),
            alt_stack: SpinLock::new(SignalStack::default()),
            restart: [const { AtomicU64::new(0) }; 2],
            dying: Dying::new(),
            clear_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            cpu: Meter::default(),
            restart_block: SpinLock::new(None),
        }))
    }

    /// Whether both are the same thread.
    pub fn same(a: &Thread, b: &Thread) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// Makes this CPU see the thread's memory. Called by the scheduler at a switch, under its lock.
    pub fn activate(&self) {
        match *self.root.lock() {
            Some(root) => root.activate(),
            None => arch::deactivate(),
        }
    }

    /// Whether something of the given kind ends its sleep.
    pub fn interrupted(&self, kind: Interruptible) -> bool {
        match kind {
            Interruptible::No => false,
            Interruptible::Killable => self.is_killed(),
            Interruptible::Yes => self.has_work(),
        }
    }
}

impl State {
    /// Its number.
    pub fn tid(&self) -> u32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// Gives it the process' number, as the only thread left at execve.
    pub(super) fn become_leader(&self) {
        self.tid.store(self.process.pid(), Ordering::Relaxed);
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Its files.
    pub fn files(&self) -> &Arc<FdTable> {
        self.files.get().value()
    }

    /// Its files, and who else uses them.
    pub fn shared_files(&self) -> &Arc<Files> {
        self.files.get()
    }

    /// Its directories.
    pub fn fs(&self) -> &Arc<FsContext> {
        self.fs.get().value()
    }

    /// Its directories, and who else uses them.
    pub fn shared_fs(&self) -> &Arc<Directories> {
        self.fs.get()
    }

    /// Gives it descriptors of its own, if others use them too. Only for the calling thread itself. `ENOMEM`. May sleep.
    pub fn unshare_files(&self) -> Result<()> {
        unshare(&self.files, |shared| shared.fork())
    }

    /// Gives it directories of its own, if others use them too. Only for the calling thread itself. `ENOMEM`. May sleep.
    pub fn unshare_fs(&self) -> Result<()> {
        unshare(&self.fs, |shared| Ok(shared.fork()))
    }

    /// Leaves its files and its directories, for good. May sleep.
    pub(super) fn leave_files(&self) {
        self.shared_files().leave();
        self.shared_fs().leave();
    }

    /// What it is about to drop.
    pub fn dying(&self) -> &Dying {
        &self.dying
    }

    /// Its memory; `None` once it is ending.
    pub fn mm(&self) -> Option<Arc<AddressSpace>> {
        self.mm.lock().clone()
    }

    /// Calls `f` with its memory, which it must not keep: nobody may drop memory in the middle of something. A lock of
    /// rank TASK is held over it.
    pub fn with_mm<R>(&self, f: impl FnOnce(&AddressSpace) -> R) -> Option<R> {
        self.mm.lock().as_deref().map(f)
    }

    /// Gives it other memory, or none, and returns what it had. Only for the calling thread itself.
    pub(super) fn replace_mm(&self, mm: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
        let root = mm.as_ref().map(|mm| mm.root());
        let before = core::mem::replace(&mut *self.mm.lock(), mm);
        let mut current = self.root.lock();
        *current = root;
        match root {
            Some(root) => root.activate(),
            None => arch::deactivate(),
        }
        drop(current);
        before
    }

    /// Lets `done` be told when the memory shared by vfork is no longer used.
    pub(super) fn set_vfork(&self, done: Arc<Completion>) {
        *self.vfork.lock() = Some(done);
    }

    /// Tells a parent that waits in vfork to go on.
    pub(super) fn complete_vfork(&self) {
        let done = self.vfork.lock().take();
        if let Some(done) = done {
            done.complete();
        }
    }

    /// Notes the scheduler's task, unless the thread has ended by now.
    pub(super) fn set_task(&self, task: TaskRef) {
        let mut link = self.link.lock();
        if matches!(*link, Link::Starting) {
            *link = Link::Running(task);
        }
    }

    /// Forgets the scheduler's task, for good.
    pub(super) fn forget_task(&self) {
        let before = core::mem::replace(&mut *self.link.lock(), Link::Ended);
        drop(before);
    }

    /// The scheduler's task, if it runs.
    pub fn task(&self) -> Option<TaskRef> {
        match &*self.link.lock() {
            Link::Running(task) => Some(task.clone()),
            _ => None,
        }
    }

    /// Lets its process' limits count in its memory and its descriptors.
    pub fn apply_limits(&self) {
        let all = self.process.limits();
        self.files().set_limit(all[limits::NOFILE].soft as usize);
        if let Some(mm) = self.mm() {
            let [stack, total, data] = [limits::STACK, limits::AS, limits::DATA].map(|kind| all[kind].soft);
            mm.set_limits(MemoryLimits { stack, total, data });
        }
    }

    /// Ends a sleep that may be interrupted, and lets a running thread look for work soon.
    pub fn kick(&self) {
        if let Some(task) = self.task() {
            sched::wake_interruptible(&task);
        }
    }

    /// Asks the thread to end, with this status if nobody asked before. [`kick`](Self::kick) makes it notice.
    pub fn end(&self, status: u32) {
        let note = u64::from(status) + 1;
        let _ = self.ending.compare_exchange(0, note, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// The status to end with, if it shall.
    pub fn ending(&self) -> Option<u32> {
        self.ending.load(Ordering::Acquire).checked_sub(1).map(|status| status as u32)
    }
}

/// Something that happens once, and that others wait for.
#[derive(Default)]
pub struct Completion {
    done: AtomicBool,
    queue: WaitQueue,
}

impl Completion {
    /// It has happened.
    pub fn complete(&self) {
        self.done.store(true, Ordering::Release);
        self.queue.wake_all();
    }

    /// Sleeps until it has, or the thread is killed.
    pub fn wait(&self) {
        let happened = || self.done.load(Ordering::Acquire).then_some(());
        let _ = self.queue.wait_interruptible(Interruptible::Killable, happened);
    }
}

/// The calling thread. `None` in a kernel task.
pub fn current() -> Option<Thread> {
    with_current(Thread::clone)
}

/// Calls `f` with the calling thread. `None` in a kernel task.
#[inline]
pub fn with_current<R>(f: impl FnOnce(&Thread) -> R) -> Option<R> {
    sched::with_current(|task| task.thread.as_ref().map(f)).flatten()
}

/// A box of the FP/SIMD registers as they are now.
pub(super) fn fp_snapshot() -> Box<arch::FpState> {
    let mut fp = Box::<arch::FpState>::default();
    arch::fp_save_current(&mut fp);
    fp
}

/// Replaces what is shared with others by a copy.
fn unshare<T: Release>(
    place: &Replaceable<Arc<Shared<T>>>,
    copy: impl FnOnce(&T) -> Result<Arc<T>>,
) -> Result<()> {
    let shared = place.get();
    if !shared.is_shared() {
        return Ok(());
    }
    let copy = Shared::new(copy(shared.value())?);
    place.replace(copy.clone()).inspect_err(|_| copy.leave())?;
    shared.leave();
    Ok(())
}
