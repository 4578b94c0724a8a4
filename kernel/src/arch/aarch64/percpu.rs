//! What each CPU has for itself, reached by TPIDR_EL1.

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::mem::{ManuallyDrop, offset_of};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use aarch64_cpu::registers::{MIDR_EL1, Readable, TPIDR_EL1, Writeable};

use crate::sched::{Task, TaskRef};

/// The most CPUs a machine may have.
pub const MAX_CPUS: usize = 16;

/// One CPU's own data. Only that CPU writes it, but for `work`, `idle` and `online`.
#[repr(C, align(64))]
pub struct PerCpu {
    /// Ranks of the locks held, one bit each; see `sync::order`.
    held_locks: AtomicU64,
    /// The running task.
    current: AtomicPtr<Task>,
    /// Reasons to leave the fast way back to user space; see [`work`].
    work: AtomicU32,
    /// Its number.
    id: AtomicU32,
    /// The running task's number.
    tid: AtomicU32,
    /// Top of the stack an overflow is reported on.
    overflow_stack: AtomicUsize,
    /// Waiting for an interrupt.
    pub idle: AtomicBool,
    /// Taking part.
    pub online: AtomicBool,
    /// An oops is being reported on this CPU.
    pub in_oops: AtomicBool,
    /// Interrupts that were handled.
    pub interrupts: AtomicU64,
    /// What it is: its main identification register.
    pub midr: AtomicU64,
}

/// Offset of `work`, for the way back to user space.
pub const WORK_OFFSET: usize = offset_of!(PerCpu, work);
/// Offset of `overflow_stack`, for the vectors.
pub const OVERFLOW_STACK_OFFSET: usize = offset_of!(PerCpu, overflow_stack);

/// Reasons to leave the fast way back to user space.
pub mod work {
    /// Another task should run.
    pub const RESCHED: u32 = 1;
    /// The running task has a signal or must die.
    pub const SIGNAL: u32 = 2;
}

impl PerCpu {
    const fn new() -> Self {
        PerCpu {
            held_locks: AtomicU64::new(0),
            current: AtomicPtr::new(core::ptr::null_mut()),
            work: AtomicU32::new(0),
            id: AtomicU32::new(0),
            tid: AtomicU32::new(0),
            overflow_stack: AtomicUsize::new(0),
            idle: AtomicBool::new(false),
            online: AtomicBool::new(false),
            in_oops: AtomicBool::new(false),
            interrupts: AtomicU64::new(0),
            midr: AtomicU64::new(0),
        }
    }

    /// Asks this CPU to do `bits` before it returns to user space.
    pub fn add_work(&self, bits: u32) {
        self.work.fetch_or(bits, Ordering::Release);
    }

    /// Takes all the work asked for so far.
    pub fn take_work(&self) -> u32 {
        self.work.swap(0, Ordering::Acquire)
    }
}

/// One CPU's stack for the report of an overflow; only its address is used.
#[repr(align(16))]
struct OverflowStack(UnsafeCell<[u8; OVERFLOW_STACK]>);
const OVERFLOW_STACK: usize = 8192;

// SAFETY: nothing reads or writes it through this type.
unsafe impl Sync for OverflowStack {}

static PERCPU: [PerCpu; MAX_CPUS] = [const { PerCpu::new() }; MAX_CPUS];
static OVERFLOW_STACKS: [OverflowStack; MAX_CPUS] =
    [const { OverflowStack(UnsafeCell::new([0; OVERFLOW_STACK])) }; MAX_CPUS];

/// Makes `id`'s data this CPU's. The first thing a CPU does in Rust.
pub fn init(id: usize) {
    let cpu = &PERCPU[id];
    cpu.midr.store(MIDR_EL1.get(), Ordering::Relaxed);
    cpu.id.store(id as u32, Ordering::Relaxed);
    let stack = OVERFLOW_STACKS[id].0.get().addr();
    cpu.overflow_stack.store(stack + OVERFLOW_STACK, Ordering::Relaxed);
    TPIDR_EL1.set(cpu as *const PerCpu as u64);
}

/// This CPU's data.
#[inline]
pub fn this() -> &'static PerCpu {
    // SAFETY: `init` ran before any other Rust code on this CPU, and PERCPU is never freed.
    unsafe { &*(TPIDR_EL1.get() as *const PerCpu) }
}

/// CPU `id`'s data.
pub fn of(id: usize) -> &'static PerCpu {
    &PERCPU[id]
}

/// This CPU's number.
#[inline]
pub fn cpu_id() -> usize {
    this().id.load(Ordering::Relaxed) as usize
}

/// The ranks this CPU holds, one bit each.
#[inline]
pub fn held_locks() -> u64 {
    this().held_locks.load(Ordering::Relaxed)
}

/// Replaces the ranks this CPU holds.
#[inline]
pub fn set_held_locks(held: u64) {
    this().held_locks.store(held, Ordering::Relaxed);
}

/// The running task; `None` before the first.
#[inline]
pub fn current() -> Option<TaskRef> {
    let task = this().current.load(Ordering::Relaxed);
    // SAFETY: the pointer came from set_current, which keeps a count for it until it is replaced, by this CPU.
    (!task.is_null()).then(|| unsafe {
        Arc::increment_strong_count(task);
        TaskRef::from(Arc::from_raw(task))
    })
}

/// Calls `f` with the running task, without counting; `None` before the first.
#[inline]
pub fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    let task = this().current.load(Ordering::Relaxed);
    if task.is_null() {
        return None;
    }
    // SAFETY: the pointer came from set_current's Arc, and is not given back here. It is the task that runs `f`, so
    // the task is there: while on a CPU, that CPU's count keeps it; while off it, until it goes on, the run queue's
    // or that of the wait queue's caller, who is further down on the task's own stack, does. A task that leaves the
    // CPU otherwise is dead, and does not go on.
    let task = ManuallyDrop::new(TaskRef::from(unsafe { Arc::from_raw(task) }));
    Some(f(&task))
}

/// Makes `task` the running one. Interrupts are masked.
pub fn set_current(task: TaskRef) {
    let cpu = this();
    cpu.tid.store(task.tid, Ordering::Relaxed);
    let before = cpu.current.swap(Arc::<Task>::into_raw(task.into()).cast_mut(), Ordering::Relaxed);
    if !before.is_null() {
        // SAFETY: the count that set_current kept for it.
        drop(unsafe { Arc::from_raw(before) });
    }
}

/// The running task's number, or 0 before the first.
#[inline]
pub fn current_tid() -> u32 {
    this().tid.load(Ordering::Relaxed)
}

/// Numbers of the CPUs that take part.
pub fn online() -> impl Iterator<Item = usize> {
    (0..MAX_CPUS).filter(|&id| PERCPU[id].online.load(Ordering::Acquire))
}
