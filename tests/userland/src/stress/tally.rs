//! What was done, how often, and what the kernel said.

use crate::say;
use core::sync::atomic::{AtomicU64, Ordering};
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// Things that are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Open,
    Allocate,
    Map,
    Write,
    Sync,
    Unmap,
    CloseBuffer,
    CloseHeap,
    Unbind,
    Load,
    Unload,
}

const OPS: [Op; 11] = [
    Op::Open,
    Op::Allocate,
    Op::Map,
    Op::Write,
    Op::Sync,
    Op::Unmap,
    Op::CloseBuffer,
    Op::CloseHeap,
    Op::Unbind,
    Op::Load,
    Op::Unload,
];

impl Op {
    /// Errors that are part of the game. All others fail the run.
    fn may_get(self, e: Errno) -> bool {
        match self {
            // The heap is being reloaded; its node is gone, or on its way.
            Op::Open => [Errno::ENOENT, Errno::ENODEV, Errno::ENXIO].contains(&e),
            // The heap was unregistered behind this descriptor; or memory is short.
            Op::Allocate => [Errno::ENODEV, Errno::ENOMEM].contains(&e),
            Op::Map => e == Errno::ENOMEM,
            // Buffers still pin the module.
            Op::Unload => e == Errno::EAGAIN,
            _ => false,
        }
    }
}

/// Unexpected errors that are told one by one; beyond that they are only counted.
const TOLD: u64 = 10;

/// Counters by operation, for all threads together.
#[derive(Default)]
pub struct Tally {
    fine: [AtomicU64; OPS.len()],
    refused: [AtomicU64; OPS.len()],
    unexpected: AtomicU64,
}

impl Tally {
    /// Counts what came of `op` and hands on the value.
    pub fn count<T>(&self, op: Op, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.fine[op as usize].fetch_add(1, Ordering::Relaxed);
                Some(value)
            }
            Err(e) => {
                self.refused[op as usize].fetch_add(1, Ordering::Relaxed);
                if !op.may_get(e) {
                    self.odd(format_args!("{op:?}: {e}"));
                }
                None
            }
        }
    }

    /// Notes something that must not be.
    pub fn odd(&self, what: core::fmt::Arguments<'_>) {
        if self.unexpected.fetch_add(1, Ordering::Relaxed) < TOLD {
            say!("stress: unexpected: {what}");
        }
    }

    /// Number of unexpected things.
    pub fn unexpected(&self) -> u64 {
        self.unexpected.load(Ordering::Relaxed)
    }

    /// Number of calls so far.
    pub fn done(&self) -> u64 {
        self.fine.iter().chain(&self.refused).map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// One line an operation.
    pub fn print(&self) {
        for op in OPS {
            let (fine, refused) = (&self.fine[op as usize], &self.refused[op as usize]);
            let (fine, refused) = (fine.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
            // Width and padding do not work on derived names; the name goes first, the numbers after.
            say!("stress: {op:?}: {fine} fine, {refused} refused");
        }
    }
}
