//! Ready tasks, a queue for each CPU.

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::task::{State, TaskRef};
use crate::arch::{self, MAX_CPUS, percpu};
use crate::sync::{IrqLock, order};

type Queue = IrqLock<VecDeque<TaskRef>, { order::RUN_QUEUE }>;

static QUEUES: [Queue; MAX_CPUS] = [const { IrqLock::new(VecDeque::new()) }; MAX_CPUS];
static LENGTHS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];

/// Whether `cpu` has ready tasks.
pub(super) fn has_ready(cpu: usize) -> bool {
    LENGTHS[cpu].load(Ordering::Relaxed) > 0
}

/// Queues a task that was made Ready, and tells the CPU if it is another.
pub(super) fn enqueue(task: TaskRef) {
    let cpu = place(&task);
    task.cpu.store(cpu, Ordering::Relaxed);
    QUEUES[cpu].lock().push_back(task);
    LENGTHS[cpu].fetch_add(1, Ordering::Release);
    if cpu != arch::cpu_id() {
        arch::smp::kick(cpu);
    }
}

/// Where a task should run: where it ran before unless that CPU is busy and another is idle.
fn place(task: &TaskRef) -> usize {
    let last = task.cpu.load(Ordering::Relaxed);
    let idle = |cpu: usize| percpu::of(cpu).idle.load(Ordering::Relaxed) && !has_ready(cpu);
    let allowed = |cpu: &usize| task.may_run_on(*cpu);
    if allowed(&last) && idle(last) {
        return last;
    }
    let others = || percpu::online().filter(allowed);
    let fallback = || if allowed(&last) { last } else { others().next().unwrap_or(last) };
    others().find(|&cpu| idle(cpu)).unwrap_or_else(fallback)
}

/// The next ready task for `cpu`, which runs `prev`: its own, or one it takes from another CPU. The task is claimed and
/// Running from here on. One that another CPU has not left yet is passed over: two CPUs that each waited for what the
/// other is leaving would wait for ever.
pub(super) fn take(cpu: usize, prev: &TaskRef) -> Option<TaskRef> {
    take_from(cpu, cpu, prev).or_else(|| {
        percpu::online().filter(|&other| other != cpu).find_map(|other| take_from(other, cpu, prev))
    })
}

fn take_from(queue: usize, cpu: usize, prev: &TaskRef) -> Option<TaskRef> {
    if !has_ready(queue) {
        return None;
    }
    let task = {
        let mut ready = QUEUES[queue].lock();
        let can = |task: &TaskRef| TaskRef::same(task, prev) || task.execution.try_claim();
        let at = ready.iter().position(|task| task.may_run_on(cpu) && can(task))?;
        ready.remove(at)?
    };
    LENGTHS[queue].fetch_sub(1, Ordering::Release);
    task.set_state(State::Running);
    // Whoever posts a signal from here on asks this CPU to look, even if `place` had meant another.
    task.cpu.store(cpu, Ordering::SeqCst);
    Some(task)
}
