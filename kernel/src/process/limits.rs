//! Resource limits: kept with the process, copied at fork, kept over execve (Linux: `struct signal_struct`'s `rlim`).
//!
//! Honoured: descriptors in the descriptor table; stack, address space and data in the memory; the length of files
//! where they grow. The number of processes is nobody's limit here, for everybody has root's capabilities.
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::signal::{self, Info, SI_USER, SIGXFSZ};
use super::tree::MAX_THREADS;
use super::{current, with_current};
use crate::vfs::fdtable::DEFAULT_LIMIT;
use crate::vfs::longest;

/// CPU time, in seconds. Not enforced.
pub const CPU: usize = 0;
/// How long a file may be made, in bytes.
pub const FSIZE: usize = 1;
/// Heap and other private memory, in bytes.
pub const DATA: usize = 2;
/// How far the stack may grow, in bytes.
pub const STACK: usize = 3;
/// Core files, of which there are none.
pub const CORE: usize = 4;
/// Processes.
pub const NPROC: usize = 6;
/// One more than the largest descriptor.
pub const NOFILE: usize = 7;
/// Locked memory, in bytes.
pub const MEMLOCK: usize = 8;
/// Memory mapped, in bytes.
pub const AS: usize = 9;
/// How many kinds there are.
pub const KINDS: usize = 16;
/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// One limit (`struct rlimit64`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Limit {
    /// What counts.
    pub soft: u64,
    /// What it may be raised to.
    pub hard: u64,
}

/// All limits of a process, by number.
pub type Limits = [Limit; KINDS];

const fn limit(soft: u64, hard: u64) -> Limit {
    Limit { soft, hard }
}

/// What process 1 starts with (Linux: `INIT_RLIMITS`).
pub const INITIAL: Limits = {
    let mut all = [limit(INFINITY, INFINITY); KINDS];
    let threads = MAX_THREADS as u64 / 2;
    all[STACK] = limit(8 << 20, INFINITY);
    all[CORE] = limit(0, INFINITY);
    all[NPROC] = limit(threads, threads);
    all[NOFILE] = limit(DEFAULT_LIMIT as u64, 4096);
    all[MEMLOCK] = limit(8 << 20, 8 << 20);
    // Pending signals, bytes of message queues, niceness, real-time priority.
    all[11] = limit(threads, threads);
    all[12] = limit(819_200, 819_200);
    all[13] = limit(0, 0);
    all[14] = limit(0, 0);
    all
};

struct All;

/// Tells the filesystems who knows how long files may be. At boot.
pub fn init() {
    longest::set_caller(&All);
}

impl longest::Caller for All {
    fn longest(&self) -> u64 {
        with_current(|thread| thread.process().limits()[FSIZE].soft).unwrap_or(INFINITY)
    }

    fn went_beyond(&self) {
        if let Some(thread) = current() {
            let info = Info { signal: SIGXFSZ, code: SI_USER, detail: u64::from(thread.process().pid()) };
            signal::send_thread(&thread, info);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::general as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        let numbers = [CPU, FSIZE, DATA, STACK, CORE, NPROC, NOFILE, MEMLOCK, AS, KINDS];
        let theirs = [
            linux::RLIMIT_CPU,
            linux::RLIMIT_FSIZE,
            linux::RLIMIT_DATA,
            linux::RLIMIT_STACK,
            linux::RLIMIT_CORE,
            linux::RLIMIT_NPROC,
            linux::RLIMIT_NOFILE,
            linux::RLIMIT_MEMLOCK,
            linux::RLIMIT_AS,
            linux::RLIM_NLIMITS,
        ];
        assert_eq!(numbers, theirs.map(|n| n as usize));
    }
}
