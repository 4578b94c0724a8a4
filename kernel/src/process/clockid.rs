//! Which clock a number names (Linux: `clockid_to_kclock`, `include/linux/posix-timers.h`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::{Process, Thread, tree};
use crate::arch;
use crate::time::clock::{Base, COARSE_NS};

/// A clock.
#[derive(Clone)]
pub enum ClockId {
    /// A clock of the machine that timers may use.
    Machine(Base),
    /// MONOTONIC_RAW, which they may not.
    Raw,
    /// A clock that moves in steps.
    Coarse(Base),
    /// A process' CPU time.
    Process(Arc<Process>, Part),
    /// A thread's CPU time.
    Thread(Thread, Part),
}

/// Which part of CPU time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it, in the accounting's steps.
    Profile,
    /// What was spent in user space.
    User,
    /// All of it.
    All,
}

impl ClockId {
    /// The clock that `id` names. `EINVAL`.
    pub fn from_raw(caller: &Thread, id: u32) -> Result<ClockId> {
        Ok(match id {
            // REALTIME, REALTIME_ALARM, TAI (of which no leap second is known).
            0 | 8 | 11 => ClockId::Machine(Base::Realtime),
            // MONOTONIC, BOOTTIME, BOOTTIME_ALARM: the machine never sleeps.
            1 | 7 | 9 => ClockId::Machine(Base::Monotonic),
            2 => ClockId::Process(caller.process().clone(), Part::All),
            3 => ClockId::Thread(caller.clone(), Part::All),
            4 => ClockId::Raw,
            5 => ClockId::Coarse(Base::Realtime),
            6 => ClockId::Coarse(Base::Monotonic),
            _ if (id as i32) < 0 => return ClockId::of_somebody(caller, id),
            _ => return Err(Errno::EINVAL),
        })
    }

    /// A process' or thread's clock: its number, negated, above three bits that say which.
    fn of_somebody(caller: &Thread, id: u32) -> Result<ClockId> {
        const PER_THREAD: u32 = 4;
        let part = match id & 3 {
            0 => Part::Profile,
            1 => Part::User,
            2 => Part::All,
            _ => return Err(Errno::EINVAL),
        };
        let number = !((id as i32) >> 3) as u32;
        let tree = tree::lock();
        if id & PER_THREAD == 0 {
            let found = if number == 0 { Some(caller.process().clone()) } else { None };
            let named = || tree.node(number).map(|node| node.process.clone());
            return found.or_else(named).map(|process| ClockId::Process(process, part)).ok_or(Errno::EINVAL);
        }
        if number == 0 || number == caller.tid() {
            return Ok(ClockId::Thread(caller.clone(), part));
        }
        let threads =
            tree.node(caller.process().pid()).map(|node| node.threads.as_slice()).unwrap_or_default();
        let found = threads.iter().find(|thread| thread.tid() == number).cloned();
        found.map(|thread| ClockId::Thread(thread, part)).ok_or(Errno::EINVAL)
    }

    /// The clock, if timers and sleeps can use it. `EOPNOTSUPP`.
    pub fn for_timers(self) -> Result<ClockId> {
        match self {
            ClockId::Raw | ClockId::Coarse(_) => Err(Errno::EOPNOTSUPP),
            clock => Ok(clock),
        }
    }

    /// The time by it, in nanoseconds.
    pub fn now(&self) -> u64 {
        match self {
            ClockId::Machine(base) => base.now(),
            ClockId::Raw => arch::now_ns(),
            // The steps are the monotonic clock's.
            ClockId::Coarse(base) => base.of_monotonic(arch::now_ns() / COARSE_NS * COARSE_NS),
            ClockId::Process(process, part) => {
                let usage = process.usage();
                part.of(usage.runtime, || process.cpu.split(usage).0)
            }
            ClockId::Thread(thread, part) => {
                let usage = thread.cpu.usage(arch::now_ns);
                part.of(usage.runtime, || usage.split().0)
            }
        }
    }

    /// How far apart two values are at least, in nanoseconds.
    pub fn resolution(&self) -> u64 {
        match self {
            ClockId::Coarse(_) => COARSE_NS,
            ClockId::Process(_, part) | ClockId::Thread(_, part) if *part != Part::All => COARSE_NS,
            _ => 1,
        }
    }
}

impl Part {
    fn of(self, all: u64, user: impl FnOnce() -> u64) -> u64 {
        if self == Part::User { user() } else { all }
    }
}
