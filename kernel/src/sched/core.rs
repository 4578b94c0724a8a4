//! Switching, sleeping and waking.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use heaps::{Errno, Result};
use spin::Once;

use super::task::{State, Task, TaskRef};
use super::{queue, task, timers};
use crate::arch::percpu::{self, work};
use crate::arch::{self, FpState, MAX_CPUS, TrapFrame, context, irq, timer as hardware};
use crate::debug::kmsg;
use crate::drivers::console;
use crate::process::Thread;
use crate::sync::wait::Interruptible;
use crate::sync::{IrqLock, order};
use crate::time::timer;

/// How long a task runs while others are ready.
const SLICE_NS: u64 = 10_000_000;

struct Cpu {
    idle: Once<TaskRef>,
    /// When it ticks next, and when its timer interrupts next; 0 where that is not set.
    next_tick: AtomicU64,
    armed: AtomicU64,
    /// The task this CPU has just left.
    left: IrqLock<Option<TaskRef>, { order::RUN_QUEUE }>,
    /// Since when it has nothing to do; 0 while it has.
    idle_since: AtomicU64,
    /// How long it had nothing to do before that.
    idled: AtomicU64,
    /// How often it went from one task to another.
    switches: AtomicU64,
}

impl Cpu {
    const fn new() -> Cpu {
        let [next_tick, armed, idle_since, idled, switches] = [const { AtomicU64::new(0) }; 5];
        let left = IrqLock::new(None);
        Cpu { idle: Once::new(), next_tick, armed, left, idle_since, idled, switches }
    }

    /// It goes from one task to another at `now`.
    fn count(&self, prev: &Task, next: &Task, now: u64) {
        self.switches.store(self.switches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if prev.is_idle() {
            let idled = now.saturating_sub(self.idle_since.swap(0, Ordering::Relaxed));
            self.idled.fetch_add(idled, Ordering::Relaxed);
        }
        if next.is_idle() {
            self.idle_since.store(now, Ordering::Relaxed);
        }
    }
}

static CPUS: [Cpu; MAX_CPUS] = [const { Cpu::new() }; MAX_CPUS];
/// The kernel's own tasks.
static KERNEL_TASKS: [Once<TaskRef>; 4] = [const { Once::new() }; 4];
static STARTED: AtomicBool = AtomicBool::new(false);

/// The running task. Not before [`adopt_cpu`].
pub fn current() -> TaskRef {
    percpu::current().expect("no task runs before the scheduler")
}

/// The running task, if there is one yet.
pub fn try_current() -> Option<TaskRef> {
    percpu::current()
}

/// Calls `f` with the running task, if there is one yet; cheaper than to count a reference.
#[inline]
pub fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    percpu::with_current(f)
}

/// The running task's number, or 0.
#[inline]
pub fn current_tid() -> u32 {
    percpu::current_tid()
}

/// Makes what this CPU runs its idle task.
pub fn adopt_cpu() {
    let id = arch::cpu_id();
    let idle = CPUS[id].idle.call_once(|| Task::idle(id));
    percpu::set_current(idle.clone());
    percpu::this().online.store(true, Ordering::Release);
}

/// Runs tasks on this CPU, for ever.
pub fn run_cpu() -> ! {
    if percpu::current().is_none() {
        adopt_cpu();
    }
    STARTED.store(true, Ordering::Release);
    let (id, cpu) = (arch::cpu_id(), percpu::this());
    loop {
        irq::irq_disable();
        cpu.idle.store(true, Ordering::SeqCst);
        if !queue::has_ready(id) {
            arm_timer(true, arch::now_ns());
            irq::wait_for_interrupt();
        }
        cpu.idle.store(false, Ordering::SeqCst);
        irq::irq_enable();
        console::send_posted();
        kmsg::wake_readers();
        timer::run_due();
        schedule();
    }
}

/// Lets others run.
pub fn yield_now() {
    schedule();
}

/// Leaves the CPU to the next ready task; returns when this one runs again.
pub fn schedule() {
    debug_assert!(!order::holds_spinning(), "sleeping under a spinning lock");
    let flags = irq::irq_save();
    let cpu = arch::cpu_id();
    let prev = current();
    let goes_on = !prev.change(State::Preparing, State::Asleep) && prev.is(State::Running);
    let next = match queue::take(cpu, &prev) {
        Some(next) => next,
        None if goes_on => {
            irq::irq_restore(flags);
            return;
        }
        None => claimed_idle(cpu),
    };
    if goes_on && !prev.is_idle() {
        prev.set_state(State::Ready);
        queue::enqueue(prev.clone());
    }
    if !TaskRef::same(&prev, &next) {
        switch(cpu, prev, next, goes_on);
    }
    irq::irq_restore(flags);
}

fn claimed_idle(cpu: usize) -> TaskRef {
    let idle = CPUS[cpu].idle.get().expect("every CPU adopts its idle task first").clone();
    assert!(idle.execution.try_claim(), "an idle task runs on its own CPU only, and not while another does");
    idle
}

fn switch(cpu: usize, prev: TaskRef, next: TaskRef, goes_on: bool) {
    next.cpu.store(cpu, Ordering::SeqCst);
    next.set_state(State::Running);
    match &next.thread {
        Some(thread) => thread.activate(),
        None => arch::pgtable::deactivate(),
    }
    look_at_signals(&next);
    let now = arch::now_ns();
    CPUS[cpu].count(&prev, &next, now);
    if let Some(thread) = &prev.thread {
        thread.cpu.leave(now, !goes_on);
    }
    if let Some(thread) = &next.thread {
        thread.cpu.enter(now);
    }
    arm_timer(next.is_idle(), now);
    context::switch(prev, next, |prev| *CPUS[cpu].left.lock() = Some(prev));
    after_switch();
}

/// Makes `task`, which runs on this CPU from now on, look at its signals before it returns to user space if somebody
/// posted one. Whoever posts says so first and looks whether the task runs after (see [`wake_interruptible`]).
fn look_at_signals(task: &Task) {
    fence(Ordering::SeqCst);
    if task.notified.load(Ordering::Relaxed) {
        percpu::this().add_work(work::SIGNAL);
    }
}

/// The first thing a task does on a CPU: lets go of the one that was there before.
pub fn after_switch() {
    let left = CPUS[arch::cpu_id()].left.lock().take();
    if let Some(prev) = left {
        prev.execution.release();
    }
}

/// Lets this CPU's timer interrupt when the next sleeper wants to wake or, where the CPU is not idle, when it ticks.
fn arm_timer(idle: bool, now: u64) {
    let cpu = &CPUS[arch::cpu_id()];
    let mut at = timers::next().min(timer::next());
    if !idle {
        if cpu.next_tick.load(Ordering::Relaxed) <= now {
            cpu.next_tick.store(now + SLICE_NS, Ordering::Relaxed);
        }
        at = at.min(cpu.next_tick.load(Ordering::Relaxed));
    }
    if cpu.armed.swap(at, Ordering::Relaxed) == at {
        return;
    }
    match at {
        u64::MAX => hardware::stop_timer(),
        at => hardware::set_timer_in(at.saturating_sub(now)),
    }
}

/// Something is due at another time than before: lets this CPU's timer interrupt in time.
pub fn rearm_timer() {
    let flags = irq::irq_save();
    if let Some(idle) = with_current(|task| task.is_idle()) {
        arm_timer(idle, arch::now_ns());
    }
    irq::irq_restore(flags);
}

/// The timer's interrupt, which met user space or the kernel.
pub fn tick(in_user: bool) {
    let (cpu, now) = (percpu::this(), arch::now_ns());
    let this = &CPUS[arch::cpu_id()];
    this.armed.store(0, Ordering::Relaxed);
    if now >= this.next_tick.load(Ordering::Relaxed) {
        with_current(|task| task.thread.as_ref().inspect(|thread| thread.cpu.sample(now, in_user)).is_some());
    }
    timers::expire();
    let counts =
        |task: &TaskRef| task.thread.as_ref().is_some_and(|thread| thread.process().timers.count_cpu_time());
    if timer::note_due(now) || with_current(counts).unwrap_or(false) {
        cpu.add_work(work::SIGNAL);
    }
    arm_timer(with_current(|task| task.is_idle()).unwrap_or(true), now);
    if queue::has_ready(arch::cpu_id()) {
        cpu.add_work(work::RESCHED);
    }
}

/// Announces that the task is about to sleep; a wake-up from here on is not lost.
pub fn prepare_to_sleep(me: &TaskRef) {
    me.set_state(State::Preparing);
}

/// Takes [`prepare_to_sleep`] back.
pub fn cancel_sleep(me: &TaskRef) {
    me.set_state(State::Running);
    look_at_signals(me);
}

/// Sleeps until woken or until the deadline, in nanoseconds since boot.
pub fn sleep(deadline: Option<u64>) {
    let me = current();
    if let Some(at) = deadline {
        timers::add(at, me.clone());
    }
    schedule();
    if let Some(at) = deadline {
        timers::remove(at, &me);
    }
}

/// Whether a signal is pending that ends a sleep of this kind. Remembers the kind for [`wake_interruptible`]: either
/// that sees it, or this sees the signal.
pub fn interrupted(me: &TaskRef, kind: Interruptible) -> bool {
    me.sleep_kind.store(kind as u8, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    me.has_signal(kind)
}

/// Makes a sleeping task ready. From any context.
pub fn wake(task: &TaskRef) {
    if task.change(State::Preparing, State::Running) {
        return;
    }
    if task.change(State::Asleep, State::Ready) {
        queue::enqueue(task.clone());
    }
}

/// Tells a task that a signal was posted to it: wakes it from a sleep that a signal may end, and makes it look
/// before it returns to user space.
pub fn wake_interruptible(task: &TaskRef) {
    task.notified.store(true, Ordering::Relaxed);
    // Behind the signal and the note: what the task is about to do is looked at (see `interrupted`, `look_at_signals`).
    fence(Ordering::SeqCst);
    if task.sleep_kind.load(Ordering::Relaxed) != Interruptible::No as u8 {
        wake(task);
    }
    if task.is(State::Running) {
        let cpu = task.cpu.load(Ordering::SeqCst);
        percpu::of(cpu).add_work(work::SIGNAL);
        if cpu != arch::cpu_id() {
            arch::smp::kick(cpu);
        }
    }
}

/// Makes this CPU look whether somebody is to be woken or told something, before it returns to user space. From any
/// context.
pub fn note_posted() {
    percpu::this().add_work(work::SIGNAL);
}

/// The running task is about to look at its signals.
pub fn signals_seen() {
    with_current(|me| me.notified.store(false, Ordering::Relaxed));
    fence(Ordering::SeqCst);
}

/// Makes a task of a user thread: once woken, it runs with `frame`, `fp` and thread pointer `tls`. `ENOMEM`.
pub fn spawn_user(thread: Thread, frame: TrapFrame, fp: Box<FpState>, tls: u64) -> Result<TaskRef> {
    Task::user(thread, &frame, fp, tls, arch::cpu_id())
}

/// Starts a task of the kernel's own, which does `work` and never ends. No signal reaches it. `EBUSY` for one too many,
/// `ENOMEM`.
pub fn spawn_kernel(work: extern "C" fn() -> !) -> Result<()> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let slot = KERNEL_TASKS.get(nth).ok_or(Errno::EBUSY)?;
    let task = Task::kernel(nth as u32, work, arch::cpu_id())?;
    wake(slot.call_once(|| task));
    Ok(())
}

/// The kernel's own tasks, idle ones left out.
pub fn kernel_tasks() -> impl Iterator<Item = TaskRef> {
    KERNEL_TASKS.iter().filter_map(Once::get).cloned()
}

/// Restricts a task to the CPUs in `mask`, one bit each.
pub fn set_affinity(task: &TaskRef, mask: u64) {
    task.affinity.store(mask, Ordering::Relaxed);
    let cpu = task.cpu.load(Ordering::Relaxed);
    if mask >> cpu & 1 == 0 && task.is(State::Running) {
        percpu::of(cpu).add_work(work::RESCHED);
        if cpu != arch::cpu_id() {
            arch::smp::kick(cpu);
        }
    }
}

/// CPUs the task may run on, one bit each.
pub fn affinity(task: &TaskRef) -> u64 {
    task.affinity.load(Ordering::Relaxed)
}

/// How many idle tasks there are: one for each CPU.
pub fn idle_tasks() -> usize {
    CPUS.iter().filter(|cpu| cpu.idle.get().is_some()).count()
}

/// The stack pointers of idle tasks that do not run.
pub fn idle_stack_pointers() -> impl Iterator<Item = usize> {
    CPUS.iter().filter_map(|cpu| cpu.idle.get()?.execution.stack_pointer())
}

/// Waits until tasks that are about to end are gone, for ten seconds at most: what they hold on to
/// would be taken for a leak, or its end for a gain. May sleep.
pub fn settle() {
    let deadline = arch::now_ns() + 10_000_000_000;
    while task::leaving() > 0 && arch::now_ns() < deadline {
        yield_now();
    }
    // A task's own memory goes after all that it held, by a CPU that lets no interrupt in before it is free.
    arch::smp::barrier_everywhere();
}

/// The running task is about to end: from here on [`settle`] waits for it.
pub fn leave() {
    current().note_leaving();
}

/// The running task is done: its process has let go of everything. Does not return.
pub fn exit_current() -> ! {
    current().set_state(State::Dead);
    schedule();
    unreachable!("a dead task ran again")
}

/// How long a CPU had nothing to do, in nanoseconds.
pub fn idle_time(cpu: usize) -> u64 {
    let cpu = &CPUS[cpu];
    let before = cpu.idled.load(Ordering::Relaxed);
    match cpu.idle_since.load(Ordering::Relaxed) {
        0 => before,
        since => before + arch::now_ns().saturating_sub(since),
    }
}

/// How often the CPUs went from one task to another.
pub fn switches() -> u64 {
    CPUS.iter().map(|cpu| cpu.switches.load(Ordering::Relaxed)).sum()
}

/// What a task is at, as `/proc` says it: `R` when it runs or could, `S` in a sleep that signals end, `D` in another.
pub fn activity(task: &TaskRef) -> char {
    let sleeps = task.is(State::Asleep) || task.is(State::Preparing);
    match task.sleep_kind.load(Ordering::Relaxed) {
        _ if !sleeps => 'R',
        kind if kind == Interruptible::Yes as u8 => 'S',
        _ => 'D',
    }
}

/// The CPU a task ran on last.
pub fn last_cpu(task: &TaskRef) -> usize {
    task.cpu.load(Ordering::Relaxed)
}

/// CPUs that run tasks, one bit each.
pub fn online_cpus() -> u64 {
    percpu::online().fold(0, |mask, cpu| mask | 1 << cpu)
}
