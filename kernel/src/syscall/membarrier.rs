//! `membarrier` (Linux: `kernel/sched/membarrier.c`): a barrier on every CPU, whoever runs there. Those that run others
//! pass one on the way to the caller's threads anyway, so that all commands do the same.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use crate::arch;
use crate::process::Thread;

const QUERY: u32 = 0;
const GLOBAL: u32 = 1;
const GLOBAL_EXPEDITED: u32 = 2;
const REGISTER_GLOBAL_EXPEDITED: u32 = 4;
const PRIVATE_EXPEDITED: u32 = 8;
const REGISTER_PRIVATE_EXPEDITED: u32 = 0x10;
const PRIVATE_EXPEDITED_SYNC_CORE: u32 = 0x20;
const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u32 = 0x40;
/// All but the first.
const ALL: u32 = 0x7f;

/// `membarrier`. `EINVAL`; `EPERM` for what has to be registered first. Waits for every CPU.
pub fn sys_membarrier(thread: &Thread, command: u32, flags: u32) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let registered = &thread.process().attributes().membarrier;
    match command {
        QUERY => return Ok(ALL as usize),
        GLOBAL | GLOBAL_EXPEDITED => arch::barrier_everywhere(),
        REGISTER_GLOBAL_EXPEDITED | REGISTER_PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED_SYNC_CORE => {
            registered.fetch_or(command, Ordering::Relaxed);
        }
        // Registering is the next command.
        PRIVATE_EXPEDITED | PRIVATE_EXPEDITED_SYNC_CORE => {
            if registered.load(Ordering::Relaxed) & command << 1 == 0 {
                return Err(Errno::EPERM);
            }
            arch::barrier_everywhere();
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
