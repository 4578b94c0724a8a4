//! `setitimer`'s three timers (Linux: `kernel/time/itimer.c`).
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};

use heaps::Result;

use crate::mm::admit::admit;
use crate::process::Process;
use crate::process::signal::{Info, SI_KERNEL, send_process};
use crate::sync::{SpinLock, order};
use crate::time::clock::Base;
use crate::time::timer::{self, Expire, forward, in_future};
use crate::time::timerfd::Setting;

/// The signal of the timer that goes by real time.
pub const SIGALRM: u32 = 14;
const SIGVTALRM: u32 = 26;
const SIGPROF: u32 = 27;

/// A timer's remaining time when it is due and has not happened yet, in nanoseconds.
const ANY_TIME_NOW: u64 = 1000;

/// Which of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// By real time.
    Real,
    /// By CPU time in user space.
    Virtual,
    /// By CPU time.
    Profile,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// When it expires, by the monotonic clock; with `rings` unset, when it did.
    at: u64,
    interval: u64,
    /// Whether it is started.
    rings: bool,
}

/// The timer that goes by real time.
pub struct RealTimer {
    process: Weak<Process>,
    state: SpinLock<State, { order::PIPE }>,
}

impl RealTimer {
    fn get(&self) -> Setting {
        let State { at, interval, rings } = *self.state.lock();
        let value = if rings { left(at, Base::Monotonic.now()) } else { 0 };
        Setting { value, interval }
    }

    fn set(self: &Arc<Self>, new: Setting) {
        let rings = new.value > 0;
        let at = in_future(Base::Monotonic.now(), new.value);
        let interval = if rings { new.interval } else { 0 };
        self.replace(State { at, interval, rings });
    }

    fn replace(self: &Arc<Self>, state: State) {
        // In one step with the queue: of two that set it at once, one would else stay queued for ever.
        let mut current = self.state.lock();
        let before = core::mem::replace(&mut *current, state);
        if before.rings {
            timer::stop(Base::Monotonic, before.at, self);
        }
        if state.rings {
            timer::start(Base::Monotonic, state.at, self.clone());
        }
    }

    /// Its signal was taken: it goes on, if it comes again.
    pub fn go_on(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.rings || state.interval == 0 {
            return;
        }
        (_, state.at) = forward(state.at, state.interval, Base::Monotonic.now());
        state.rings = true;
        timer::start(Base::Monotonic, state.at, self.clone());
    }

    /// Stops it.
    pub fn stop(self: &Arc<Self>) {
        self.replace(State::default());
    }
}

impl Expire for RealTimer {
    fn expire(self: Arc<Self>) {
        let mut state = self.state.lock();
        // It may have been set anew on its way here.
        if !state.rings || state.at > Base::Monotonic.now() {
            return;
        }
        state.rings = false;
        drop(state);
        if let Some(process) = self.process.upgrade() {
            send_process(&process, Info { signal: SIGALRM, code: SI_KERNEL, detail: 0 });
        }
    }
}

/// A timer that goes by CPU time.
#[derive(Clone, Copy, Default)]
pub struct CpuTimer {
    /// The process' time at which it expires; 0 when it is not set.
    at: u64,
    interval: u64,
}

impl CpuTimer {
    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.at != 0
    }
}

/// The time that a CPU timer goes by.
fn cpu_time(process: &Process, which: Which) -> u64 {
    let usage = process.usage();
    if which == Which::Virtual { process.cpu.split(usage).0 } else { usage.runtime }
}

fn left(at: u64, now: u64) -> u64 {
    at.saturating_sub(now).max(ANY_TIME_NOW)
}

/// What a timer is set to.
pub fn get(process: &Process, which: Which) -> Setting {
    if which == Which::Real {
        let real = process.timers.real.lock().clone();
        return real.map_or(Setting::default(), |real| real.get());
    }
    let now = cpu_time(process, which);
    let CpuTimer { at, interval } = process.timers.cpu.lock()[which as usize - 1];
    Setting { value: if at == 0 { 0 } else { left(at, now) }, interval }
}

/// Sets a timer, and returns what it was set to. `ENOMEM`.
pub fn set(process: &Arc<Process>, which: Which, new: Setting) -> Result<Setting> {
    let before = get(process, which);
    if which == Which::Real {
        let real = process.timers.real.lock().clone();
        match real {
            Some(real) => real.set(new),
            None if new.value > 0 => make(process)?.set(new),
            None => {}
        }
        return Ok(before);
    }
    let at = if new.value == 0 { 0 } else { in_future(cpu_time(process, which), new.value) };
    process.timers.cpu.lock()[which as usize - 1] = CpuTimer { at, interval: new.interval };
    process.timers.note_cpu();
    Ok(before)
}

fn make(process: &Arc<Process>) -> Result<Arc<RealTimer>> {
    admit()?;
    let state = SpinLock::new(State::default());
    let made = Arc::new(RealTimer { process: Arc::downgrade(process), state });
    Ok(process.timers.real.lock().get_or_insert(made).clone())
}

/// Lets the CPU timers happen that are due.
pub(super) fn check(process: &Process) {
    for (which, signal) in [(Which::Virtual, SIGVTALRM), (Which::Profile, SIGPROF)] {
        let now = cpu_time(process, which);
        let mut timers = process.timers.cpu.lock();
        let timer = &mut timers[which as usize - 1];
        if timer.at == 0 || now < timer.at {
            continue;
        }
        timer.at = if timer.interval == 0 { 0 } else { timer.at.saturating_add(timer.interval) };
        drop(timers);
        send_process(process, Info { signal, code: SI_KERNEL, detail: 0 });
    }
}
