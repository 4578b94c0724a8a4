//! The timers of a process: three that it has always, and those it makes (Linux: `kernel/time/itimer.c`,
//! `posix-timers.c`, `posix-cpu-timers.c`).
//!
//! * [`interval`]: the three of `setitimer`
//! * [`posix`]: those of `timer_create`
//!
//! A timer that comes again is started again when its signal is taken: at most one signal of each is pending, and a
//! process that does not look costs nothing.
#![forbid(unsafe_code)]

pub mod interval;
pub mod posix;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Thread;
use super::signal::queue::Taken;
use crate::sync::{SpinLock, order};
use interval::{CpuTimer, RealTimer, SIGALRM};
use posix::PosixTimer;

/// Sent by a timer.
pub const SI_TIMER: i32 = -2;

/// A process' timers.
#[derive(Default)]
pub struct Timers {
    real: SpinLock<Option<Arc<RealTimer>>, { order::TASK }>,
    cpu: SpinLock<[CpuTimer; 2], { order::TASK }>,
    posix: SpinLock<BTreeMap<u32, Arc<PosixTimer>>, { order::TASK }>,
    next_id: AtomicU32,
    /// Whether any of them goes by CPU time.
    by_cpu: AtomicBool,
}

impl Timers {
    /// Whether the tick has to look at CPU time.
    #[inline]
    pub fn count_cpu_time(&self) -> bool {
        self.by_cpu.load(Ordering::Relaxed)
    }

    /// A signal is taken: if it is a timer's, what it says is filled in, and the timer goes on.
    pub(super) fn delivered(&self, mut taken: Taken) -> Taken {
        match (taken.info.signal, taken.info.code) {
            (_, SI_TIMER) => {
                let id = taken.info.detail as u32;
                let timer = self.posix.lock().get(&id).cloned();
                if let Some(timer) = timer {
                    taken.info.detail = u64::from(id) | u64::from(timer.delivered()) << 32;
                }
            }
            (SIGALRM, _) => {
                let real = self.real.lock().clone();
                if let Some(real) = real {
                    real.go_on();
                }
            }
            _ => {}
        }
        taken
    }

    /// Stops and forgets those that `timer_create` made: the process executes another program.
    pub fn clear_posix(&self) {
        let timers = core::mem::take(&mut *self.posix.lock());
        timers.values().for_each(|timer| timer.stop());
        self.note_cpu();
    }

    /// Stops and forgets all: the process has ended.
    pub fn clear(&self) {
        let real = self.real.lock().take();
        if let Some(real) = real {
            real.stop();
        }
        *self.cpu.lock() = Default::default();
        self.clear_posix();
    }

    /// Notes whether the tick has to look.
    fn note_cpu(&self) {
        let itimers = self.cpu.lock().iter().any(CpuTimer::is_set);
        let posix = self.posix.lock().values().any(|timer| timer.counts_cpu_time());
        self.by_cpu.store(itimers || posix, Ordering::Relaxed);
    }
}

/// Lets the timers happen that go by the CPU time of the thread's process and are due. With no lock held.
pub fn check_cpu_time(thread: &Thread) {
    let timers = &thread.process().timers;
    if !timers.count_cpu_time() {
        return;
    }
    interval::check(thread.process());
    let nth = |id: u32| timers.posix.lock().range(id..).next().map(|(&id, timer)| (id, timer.clone()));
    let mut from = 0;
    while let Some((id, timer)) = nth(from) {
        if timer.counts_cpu_time() {
            timer.check();
        }
        from = id + 1;
    }
    timers.note_cpu();
}
