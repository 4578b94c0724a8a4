//! The CPU time of threads and processes (Linux: `kernel/sched/cputime.c`).
//!
//! How long a thread ran is exact: the clock is read when it gets a CPU and when it leaves it. How much of that it
//! spent in the kernel is sampled by the tick, and said in proportion, as Linux does by default.
#![forbid(unsafe_code)]

use core::ops::Add;
use core::sync::atomic::{AtomicU64, Ordering::*};

use crate::sync::{SpinLock, order};

/// What a thread or a process has used.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Nanoseconds on a CPU.
    pub runtime: u64,
    /// Nanoseconds between ticks that met it in user space.
    pub user: u64,
    /// Nanoseconds between ticks that met it in the kernel.
    pub system: u64,
    /// How often it left the CPU because it had to wait.
    pub voluntary: u64,
    /// How often it left the CPU to another.
    pub involuntary: u64,
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        Usage {
            runtime: self.runtime + other.runtime,
            user: self.user + other.user,
            system: self.system + other.system,
            voluntary: self.voluntary + other.voluntary,
            involuntary: self.involuntary + other.involuntary,
        }
    }
}

impl Usage {
    /// Nanoseconds in user space and in the kernel, which make up the time it ran. Without a tick in the kernel all of
    /// it was in user space, and the other way round.
    pub fn split(&self) -> (u64, u64) {
        let Usage { runtime, user, system, .. } = *self;
        if system == 0 {
            return (runtime, 0);
        }
        let part = u128::from(runtime) * u128::from(system) / u128::from(user + system);
        (runtime - part as u64, part as u64)
    }
}

/// While the other fields of a [`Meter`] change.
const CHANGING: u64 = u64::MAX;

/// One thread's meter. The CPU that runs it writes, anybody reads.
#[derive(Default)]
pub struct Meter {
    /// When it got its CPU; 0 while it has none.
    since: AtomicU64,
    runtime: AtomicU64,
    /// When it was sampled last.
    sampled: AtomicU64,
    user: AtomicU64,
    system: AtomicU64,
    voluntary: AtomicU64,
    involuntary: AtomicU64,
}

impl Meter {
    /// It has a CPU from `now` on.
    #[inline]
    pub fn enter(&self, now: u64) {
        self.sampled.store(now, Relaxed);
        self.since.store(now, Release);
    }

    /// It has none from `now` on, to wait or to let another run.
    #[inline]
    pub fn leave(&self, now: u64, waits: bool) {
        let ran = now.saturating_sub(self.since.swap(CHANGING, AcqRel));
        self.runtime.store(self.runtime.load(Relaxed) + ran, Relaxed);
        let switches = if waits { &self.voluntary } else { &self.involuntary };
        switches.store(switches.load(Relaxed) + 1, Relaxed);
        self.since.store(0, Release);
    }

    /// The tick met it, in user space or in the kernel.
    pub fn sample(&self, now: u64, in_user: bool) {
        let passed = now.saturating_sub(self.sampled.swap(now, Relaxed));
        let time = if in_user { &self.user } else { &self.system };
        time.store(time.load(Relaxed) + passed, Relaxed);
    }

    /// What it has used until `now`.
    pub fn usage(&self, now: impl Fn() -> u64) -> Usage {
        let runtime = loop {
            let since = self.since.load(Acquire);
            let (before, now) = (self.runtime.load(Acquire), now());
            if since != CHANGING && self.since.load(Acquire) == since {
                break before + if since == 0 { 0 } else { now.saturating_sub(since) };
            }
            core::hint::spin_loop();
        };
        Usage {
            runtime,
            user: self.user.load(Relaxed),
            system: self.system.load(Relaxed),
            voluntary: self.voluntary.load(Relaxed),
            involuntary: self.involuntary.load(Relaxed),
        }
    }
}

/// What a process keeps of threads that have ended and of children that were waited for.
pub struct Account(SpinLock<Sums, { order::TASK }>);

#[derive(Default)]
struct Sums {
    ended: Usage,
    children: Usage,
    /// The last answer: neither part ever goes back.
    told: (u64, u64),
}

impl Default for Account {
    fn default() -> Self {
        Account(SpinLock::new(Sums::default()))
    }
}

impl Account {
    /// A thread has ended.
    pub fn add_ended(&self, usage: Usage) {
        let mut sums = self.0.lock();
        sums.ended = sums.ended + usage;
    }

    /// A child was waited for.
    pub fn add_child(&self, usage: Usage) {
        let mut sums = self.0.lock();
        sums.children = sums.children + usage;
    }

    /// What threads that have ended had used.
    pub fn ended(&self) -> Usage {
        self.0.lock().ended
    }

    /// What children that were waited for had used, and theirs.
    pub fn children(&self) -> Usage {
        self.0.lock().children
    }

    /// [`Usage::split`] of the whole process' usage, so that neither part ever goes back.
    pub fn split(&self, usage: Usage) -> (u64, u64) {
        let mut sums = self.0.lock();
        let (mut user, mut system) = usage.split();
        if system < sums.told.1 {
            system = sums.told.1.min(usage.runtime);
            user = usage.runtime - system;
        }
        if user < sums.told.0 {
            user = sums.told.0.min(usage.runtime);
            system = usage.runtime - user;
        }
        sums.told = (user.max(sums.told.0), system.max(sums.told.1));
        sums.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_runs_while_its_thread_does() {
        let meter = Meter::default();
        let usage = |now| meter.usage(|| now);
        meter.enter(100);
        assert_eq!(usage(130).runtime, 30);
        meter.sample(140, true);
        meter.leave(150, true);
        assert_eq!(usage(900), Usage { runtime: 50, user: 40, voluntary: 1, ..Usage::default() });
        meter.enter(1000);
        meter.sample(1010, false);
        meter.leave(1020, false);
        let whole = Usage { runtime: 70, user: 40, system: 10, voluntary: 1, involuntary: 1 };
        assert_eq!(usage(9000), whole);
        assert_eq!(whole.split(), (56, 14));
    }

    #[test]
    fn what_was_told_is_not_taken_back() {
        let account = Account::default();
        let usage = |runtime, user, system| Usage { runtime, user, system, ..Usage::default() };
        assert_eq!(account.split(usage(100, 0, 0)), (100, 0));
        assert_eq!(account.split(usage(110, 0, 10)), (100, 10));
        assert_eq!(account.split(usage(400, 10, 10)), (200, 200));
        assert_eq!(account.split(usage(400, 90, 10)), (200, 200));
    }
}
