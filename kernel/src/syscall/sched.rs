//! Which CPUs a thread runs on (Linux: `kernel/sched/syscalls.c`). Everybody has the same priority.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use crate::mm::user;
use crate::process::{Thread, tree};
use crate::sched::{self, TaskRef};

/// `sched_yield`.
pub fn sys_sched_yield() -> Result<usize> {
    sched::yield_now();
    Ok(0)
}

fn task(thread: &Thread, tid: u32) -> Result<TaskRef> {
    let target = match tid {
        0 => Some(thread.clone()),
        _ => {
            let tree = tree::lock();
            let pid = tree.process_of(tid).ok_or(Errno::ESRCH)?;
            tree.node(pid).and_then(|node| node.threads.iter().find(|t| t.tid() == tid).cloned())
        }
    };
    target.and_then(|target| target.task()).ok_or(Errno::ESRCH)
}

/// `sched_setaffinity`. `EINVAL` when no CPU is left, `ESRCH`.
pub fn sys_sched_setaffinity(thread: &Thread, tid: u32, len: usize, mask_at: u64) -> Result<usize> {
    let mut mask = [0u8; 8];
    let len = len.min(mask.len());
    user::read_bytes(mask_at, &mut mask[..len])?;
    let mask = u64::from_le_bytes(mask) & online();
    if mask == 0 {
        return Err(Errno::EINVAL);
    }
    sched::set_affinity(&task(thread, tid)?, mask);
    if tid == 0 || tid == thread.tid() {
        sched::yield_now();
    }
    Ok(0)
}

/// `sched_getaffinity`: returns how many bytes it wrote. `EINVAL`, `ESRCH`.
pub fn sys_sched_getaffinity(thread: &Thread, tid: u32, len: usize, mask_at: u64) -> Result<usize> {
    if len < 8 || !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let mask = sched::affinity(&task(thread, tid)?) & online();
    user::write(mask_at, &mask)?;
    Ok(8)
}

fn online() -> u64 {
    sched::online_cpus()
}

/// `getcpu`.
pub fn sys_getcpu(cpu_at: u64, node_at: u64) -> Result<usize> {
    if cpu_at != 0 {
        user::write(cpu_at, &(crate::arch::cpu_id() as u32))?;
    }
    if node_at != 0 {
        user::write(node_at, &0u32)?;
    }
    Ok(0)
}

/// `sched_getscheduler`, and `getpriority` in the kernel's terms (20 minus the nice value): nobody is special.
pub fn sys_ordinary(_: &Thread, priority: bool) -> Result<usize> {
    Ok(if priority { 20 } else { 0 })
}

/// `sched_get_priority_max` and `_min`: `realtime` for the real-time policies, 0 for the others. `EINVAL`.
pub fn sys_priority_bound(policy: u32, realtime: usize) -> Result<usize> {
    match policy {
        1 | 2 => Ok(realtime),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
