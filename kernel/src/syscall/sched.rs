//! Which CPUs a thread runs on (Linux: `kernel/sched/syscalls.c`). Everybody is treated alike, whatever priority they ask
//! for.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use crate::mm::user;
use crate::process::{Process, Thread, tree};
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

fn target(thread: &Thread, pid: i32) -> Result<Arc<Process>> {
    match u32::try_from(pid).map_err(|_| Errno::EINVAL)? {
        0 => Ok(thread.process().clone()),
        tid => tree::lock().thread(tid).map(|thread| thread.process().clone()).ok_or(Errno::ESRCH),
    }
}

/// `sched_setscheduler`: kept for those who ask. `EINVAL`, `ESRCH`, `EFAULT`.
pub fn sys_sched_setscheduler(thread: &Thread, pid: i32, policy: i32, param: u64) -> Result<usize> {
    /// `SCHED_RESET_ON_FORK`.
    const RESET: i32 = 0x4000_0000;
    if policy < 0 || param == 0 || pid < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = user::read(param)?;
    set_policy(&*target(thread, pid)?, (policy & !RESET) as u32, priority)
}

/// `sched_setparam`: the same without the policy.
pub fn sys_sched_setparam(thread: &Thread, pid: i32, param: u64) -> Result<usize> {
    if param == 0 || pid < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = user::read(param)?;
    let process = target(thread, pid)?;
    let policy = process.attributes().policy.load(Ordering::Relaxed);
    set_policy(&process, policy, priority)
}

fn set_policy(process: &Process, policy: u32, priority: i32) -> Result<usize> {
    let fits = match policy {
        1 | 2 => (1..=99).contains(&priority),
        0 | 3 | 5 => priority == 0,
        _ => false,
    };
    if !fits {
        return Err(Errno::EINVAL);
    }
    process.attributes().policy.store(policy, Ordering::Relaxed);
    process.attributes().priority.store(priority as u32, Ordering::Relaxed);
    Ok(0)
}

/// `sched_getscheduler`. `EINVAL`, `ESRCH`.
pub fn sys_sched_getscheduler(thread: &Thread, pid: i32) -> Result<usize> {
    Ok(target(thread, pid)?.attributes().policy.load(Ordering::Relaxed) as usize)
}

/// `sched_getparam`. `EINVAL`, `ESRCH`, `EFAULT`.
pub fn sys_sched_getparam(thread: &Thread, pid: i32, param: u64) -> Result<usize> {
    if param == 0 {
        return Err(Errno::EINVAL);
    }
    let priority = target(thread, pid)?.attributes().priority.load(Ordering::Relaxed);
    user::write(param, &priority).map(|()| 0)
}

/// The processes that `setpriority` and `getpriority` mean: one, those of a group, those of a user.
fn meant(thread: &Thread, which: u32, who: i32) -> Result<Vec<Arc<Process>>> {
    let (who, me) = (who as u32, thread.process());
    if which > 2 {
        return Err(Errno::EINVAL);
    }
    let user = if which == 2 && who == 0 { me.creds().user.real } else { who };
    let tree = tree::lock();
    let mine = tree.node(me.pid()).map_or(0, |node| node.pgid);
    let chosen = |pid: u32, node: &tree::Node| match which {
        0 => pid == if who == 0 { me.pid() } else { tree.process_of(who).unwrap_or(0) },
        1 => node.pgid == if who == 0 { mine } else { who },
        _ => node.process.creds().user.real == user,
    };
    let found = tree.nodes().filter(|(pid, node)| node.status.is_none() && chosen(**pid, node));
    let found: Vec<_> = found.map(|(_, node)| node.process.clone()).collect();
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

/// `setpriority`: kept for those who ask. `EINVAL`, `ESRCH`.
pub fn sys_setpriority(thread: &Thread, which: u32, who: i32, nice: i32) -> Result<usize> {
    let nice = nice.clamp(-20, 19);
    let set = |process: Arc<Process>| process.attributes().nice.store(nice, Ordering::Relaxed);
    meant(thread, which, who)?.into_iter().for_each(set);
    Ok(0)
}

/// `getpriority` in the kernel's terms: 20 minus how nice the least nice is. `EINVAL`, `ESRCH`.
pub fn sys_getpriority(thread: &Thread, which: u32, who: i32) -> Result<usize> {
    let nice =
        meant(thread, which, who)?.into_iter().map(|p| p.attributes().nice.load(Ordering::Relaxed)).min();
    Ok((20 - nice.unwrap_or(0)) as usize)
}

/// `sched_get_priority_max` and `_min`: `realtime` for the real-time policies, 0 for the others. `EINVAL`.
pub fn sys_priority_bound(policy: u32, realtime: usize) -> Result<usize> {
    match policy {
        1 | 2 => Ok(realtime),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
