//! A task: something a CPU can run.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use heaps::Result;

use crate::arch::context::Execution;
use crate::arch::{FpState, TrapFrame};
use crate::mm::stack::KernelStack;
use crate::process::Thread;
use crate::sync::wait::Interruptible;

static LIVE: AtomicUsize = AtomicUsize::new(0);

static LEAVING: AtomicUsize = AtomicUsize::new(0);

/// Numbers from here on are those of the kernel's own tasks: no thread has one.
const FIRST_KERNEL: u32 = 1 << 31;

/// Tasks that are about to end and not gone yet.
pub(super) fn leaving() -> usize {
    LEAVING.load(Ordering::Acquire)
}

/// Tasks there are, idle ones included.
pub fn live_tasks() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Where a task is between running and sleeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// On a CPU.
    Running,
    /// On a CPU, and about to sleep.
    Preparing,
    /// Off the CPUs until woken.
    Asleep,
    /// In a queue.
    Ready,
    /// Done for good.
    Dead,
}

/// Something a CPU can run.
pub struct Task {
    /// Its number; 0 for idle tasks, and from 2^31 on for the kernel's own.
    pub tid: u32,
    /// The user thread it runs, unless it is the kernel's own or a CPU's idle task.
    pub thread: Option<Thread>,
    /// What it is while it does not run.
    pub execution: Execution,
    state: AtomicU8,
    /// The CPU it ran on last.
    pub(super) cpu: AtomicUsize,
    /// CPUs it may run on, one bit each.
    pub(super) affinity: AtomicU64,
    /// Somebody posted a signal since it last looked.
    pub(super) notified: AtomicBool,
    /// What may end the sleep it is in or about to enter.
    pub(super) sleep_kind: AtomicU8,
    /// The last field, because fields go in their order: who no longer counts has let go of all the others.
    counted: Counted,
}

/// That a task is counted, and whether among those that are about to end.
struct Counted {
    leaving: AtomicBool,
}

impl Counted {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Counted { leaving: AtomicBool::new(false) }
    }

    fn note_leaving(&self) {
        if !self.leaving.swap(true, Ordering::Relaxed) {
            LEAVING.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        if *self.leaving.get_mut() {
            LEAVING.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Task {
    fn create(tid: u32, thread: Option<Thread>, execution: Execution, state: State, cpu: usize) -> TaskRef {
        let task = Arc::new(Task {
            tid,
            thread,
            execution,
            state: AtomicU8::new(state as u8),
            cpu: AtomicUsize::new(cpu),
            affinity: AtomicU64::new(u64::MAX),
            // What was posted before there was a task to notify is looked at when it first runs.
            notified: AtomicBool::new(true),
            sleep_kind: AtomicU8::new(0),
            counted: Counted::new(),
        });
        crate::mm::object::name(Arc::as_ptr(&task).cast(), "task");
        TaskRef(task)
    }

    /// What CPU `cpu` runs when there is nothing to run.
    pub(super) fn idle(cpu: usize) -> TaskRef {
        Task::create(0, None, Execution::idle(), State::Running, cpu)
    }

    /// A task that starts by returning to user space with `frame`. `ENOMEM`.
    pub(super) fn user(
        thread: Thread,
        frame: &TrapFrame,
        fp: Box<FpState>,
        tls: u64,
        cpu: usize,
    ) -> Result<TaskRef> {
        let execution = Execution::user(KernelStack::new()?, frame, fp, tls);
        Ok(Task::create(thread.tid(), Some(thread), execution, State::Asleep, cpu))
    }

    /// A task of the kernel's own, numbered `nth` among them. `ENOMEM`.
    pub(super) fn kernel(nth: u32, work: extern "C" fn() -> !, cpu: usize) -> Result<TaskRef> {
        let execution = Execution::kernel(KernelStack::new()?, work);
        Ok(Task::create(FIRST_KERNEL | nth, None, execution, State::Asleep, cpu))
    }

    /// It is about to end, and will be counted as such until it is gone.
    pub(super) fn note_leaving(&self) {
        self.counted.note_leaving();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tid == 0
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::SeqCst);
    }

    pub(super) fn is(&self, state: State) -> bool {
        self.state.load(Ordering::SeqCst) == state as u8
    }

    /// Goes from one state to another if it is in the one.
    pub(super) fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(super) fn may_run_on(&self, cpu: usize) -> bool {
        self.affinity.load(Ordering::Relaxed) >> cpu & 1 == 1
    }

    /// Whether a signal that ends a sleep of this kind is pending.
    pub(super) fn has_signal(&self, kind: Interruptible) -> bool {
        kind != Interruptible::No && self.thread.as_ref().is_some_and(|thread| thread.interrupted(kind))
    }

    /// What it does, for people: running, ready, asleep, or blocked, which is a sleep that no signal ends.
    pub fn state_name(&self) -> &'static str {
        let uninterruptible = self.sleep_kind.load(Ordering::SeqCst) == Interruptible::No as u8;
        match self.state.load(Ordering::SeqCst) {
            s if s == State::Asleep as u8 && uninterruptible => "blocked",
            s if s == State::Running as u8 => "running",
            s if s == State::Preparing as u8 => "about to sleep",
            s if s == State::Asleep as u8 => "asleep",
            s if s == State::Ready as u8 => "ready",
            _ => "dead",
        }
    }

    /// Upper end of its kernel stack, if it has one of its own.
    pub fn stack_top(&self) -> Option<usize> {
        self.execution.stack_top()
    }
}

/// A counted reference to a task.
#[derive(Clone)]
pub struct TaskRef(Arc<Task>);

impl TaskRef {
    /// Whether both are the same task.
    pub fn same(a: &TaskRef, b: &TaskRef) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }
}

impl Deref for TaskRef {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.0
    }
}

impl From<Arc<Task>> for TaskRef {
    fn from(task: Arc<Task>) -> Self {
        TaskRef(task)
    }
}

impl From<TaskRef> for Arc<Task> {
    fn from(task: TaskRef) -> Self {
        task.0
    }
}
