//! Timers that a process makes (Linux: `kernel/time/posix-timers.c`, `posix-cpu-timers.c`).
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use super::{SI_TIMER, Timers};
use crate::mm::admit::admit;
use crate::process::clockid::ClockId;
use crate::process::signal::queue::Taken;
use crate::process::signal::{Info, send_process_with, send_thread_with};
use crate::process::{Process, tree};
use crate::sync::{SpinLock, order};
use crate::time::clock::Base;
use crate::time::timer::{self, Expire, forward, in_future};
use crate::time::timerfd::Setting;

/// Most timers of a process.
const MOST: usize = 4096;

/// How a timer tells that it expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The signal; 0 for none.
    pub signal: u32,
    /// The one thread that gets it; 0 for any.
    pub tid: u32,
    /// What comes with it; `None` for the timer's own number.
    pub value: Option<u64>,
}

/// A time by a timer's clock, or by the monotonic one where it was set for a time from now.
type Time = (Option<Base>, u64);

#[derive(Clone, Copy, Default)]
struct State {
    /// When it expires, or did where it has to be started again.
    at: Option<Time>,
    /// Whether it waits for its signal to be taken.
    waits: bool,
    interval: u64,
    /// Whether its signal is pending.
    pending: bool,
    /// Expirations before the one that is told next.
    overrun: u64,
    /// Those before the one that was told last.
    told: u32,
}

/// A timer.
pub struct PosixTimer {
    process: Weak<Process>,
    id: u32,
    clock: ClockId,
    notify: Notify,
    state: SpinLock<State, { order::PIPE }>,
}

/// Makes a timer and returns its number. `EAGAIN` when there are too many, `ENOMEM`.
pub fn create(process: &Arc<Process>, clock: ClockId, notify: Notify) -> Result<u32> {
    admit()?;
    let timers = &process.timers;
    let mut posix = timers.posix.lock();
    if posix.len() >= MOST {
        return Err(Errno::EAGAIN);
    }
    let id = loop {
        let id = timers.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX as u32;
        if !posix.contains_key(&id) {
            break id;
        }
    };
    let state = SpinLock::new(State::default());
    posix.insert(id, Arc::new(PosixTimer { process: Arc::downgrade(process), id, clock, notify, state }));
    Ok(id)
}

impl Timers {
    /// The timer with this number. `EINVAL`.
    pub fn posix(&self, id: u32) -> Result<Arc<PosixTimer>> {
        self.posix.lock().get(&id).cloned().ok_or(Errno::EINVAL)
    }

    /// Deletes a timer. `EINVAL`.
    pub fn delete_posix(&self, id: u32) -> Result<()> {
        let mut posix = self.posix.lock();
        let timer = posix.remove(&id).ok_or(Errno::EINVAL)?;
        if posix.is_empty() {
            // An emptied map keeps a node.
            *posix = BTreeMap::new();
        }
        drop(posix);
        timer.stop();
        self.note_cpu();
        Ok(())
    }
}

impl PosixTimer {
    fn now(&self, base: Option<Base>) -> u64 {
        base.map_or_else(|| self.clock.now(), Base::now)
    }

    /// The clock that it is set by, and what that says. To be asked without the state's lock: counting CPU time takes
    /// locks that come before it.
    fn its_now(&self) -> (Option<Base>, u64) {
        let base = self.state.lock().at.and_then(|(base, _)| base);
        (base, self.now(base))
    }

    /// Whether it goes by CPU time, and goes at all.
    pub(super) fn counts_cpu_time(&self) -> bool {
        let State { at, waits, .. } = *self.state.lock();
        self.notify.signal != 0 && !waits && at.is_some_and(|(base, _)| base.is_none())
    }

    /// How long until it expires, and its interval, in nanoseconds.
    pub fn get(&self) -> Setting {
        let state = *self.state.lock();
        let Some((base, at)) = state.at else { return Setting { value: 0, interval: state.interval } };
        let (now, silent) = (self.now(base), self.notify.signal == 0);
        let (_, at) = match state.interval {
            0 => (0, at),
            interval if state.waits || silent => forward(at, interval, now),
            _ => (0, at),
        };
        // One that rings will do so any time now; one that does not has.
        let least = u64::from(!silent);
        Setting { value: at.saturating_sub(now).max(least), interval: state.interval }
    }

    /// Sets it, for a time by its clock or from now, and returns how it was set.
    pub fn set(self: &Arc<Self>, new: Setting, absolute: bool) -> Setting {
        let before = self.get();
        let at = match (&self.clock, absolute) {
            (ClockId::Machine(base), true) => (Some(*base), new.value),
            (ClockId::Machine(_), false) => {
                (Some(Base::Monotonic), in_future(Base::Monotonic.now(), new.value))
            }
            (clock, true) => (None, new.value.max(u64::from(clock.now() == 0))),
            (clock, false) => (None, in_future(clock.now(), new.value)),
        };
        let at = Some(at).filter(|_| new.value > 0);
        let interval = if at.is_some() { new.interval } else { 0 };
        // In one step with the queue: of two that set it at once, one would else stay queued for ever.
        let mut state = self.state.lock();
        let pending = state.pending;
        let old = core::mem::replace(&mut *state, State { at, interval, pending, ..State::default() });
        self.unqueue(&old);
        self.queue(at);
        drop(state);
        if let Some(process) = self.process.upgrade() {
            process.timers.note_cpu();
        }
        before
    }

    /// Stops it.
    pub(super) fn stop(self: &Arc<Self>) {
        let mut state = self.state.lock();
        let old = core::mem::take(&mut *state);
        self.unqueue(&old);
    }

    fn unqueue(self: &Arc<Self>, state: &State) {
        if let (Some((Some(base), at)), false) = (state.at, state.waits) {
            timer::stop(base, at, self);
        }
    }

    fn queue(self: &Arc<Self>, at: Option<Time>) {
        if let Some((Some(base), at)) = at.filter(|_| self.notify.signal != 0) {
            timer::start(base, at, self.clone());
        }
    }

    /// How often it had expired when its signal was taken last, beyond the once that the signal told of.
    pub fn overrun(&self) -> u32 {
        self.state.lock().told
    }

    /// Its signal was taken: it goes on, if it comes again. Returns the overrun.
    pub(super) fn delivered(self: &Arc<Self>) -> u32 {
        let (base, now) = self.its_now();
        let mut state = self.state.lock();
        state.pending = false;
        let Some((_, at)) = state.at.filter(|at| state.waits && at.0 == base) else {
            return state.told;
        };
        let (passed, next) = forward(at, state.interval, now);
        let overrun = state.overrun + passed.saturating_sub(1);
        state.told = overrun.min(i32::MAX as u64) as u32;
        (state.overrun, state.waits, state.at) = (0, false, Some((base, next)));
        let told = state.told;
        self.queue(state.at);
        drop(state);
        if let (true, Some(process)) = (base.is_none(), self.process.upgrade()) {
            process.timers.note_cpu();
        }
        told
    }

    /// Looks whether it is due.
    pub(super) fn check(self: &Arc<Self>) {
        let (base, now) = self.its_now();
        let mut state = self.state.lock();
        // It may have been set anew on its way here.
        if !state.at.is_some_and(|at| !state.waits && at.0 == base && at.1 <= now) {
            return;
        }
        state.waits = state.interval > 0;
        if !state.waits {
            state.at = None;
        }
        let was_pending = core::mem::replace(&mut state.pending, true);
        state.overrun += u64::from(was_pending);
        drop(state);
        if !was_pending && !self.tell() {
            // Ignored, it goes on counting.
            self.skip();
        }
    }

    /// Sends its signal; whether anybody minds.
    fn tell(&self) -> bool {
        let Some(process) = self.process.upgrade() else { return true };
        let Notify { signal, tid, value } = self.notify;
        let info = Info { signal, code: SI_TIMER, detail: u64::from(self.id) };
        let what = Taken { info, value: value.unwrap_or(u64::from(self.id)) };
        if tid == 0 {
            return send_process_with(&process, what);
        }
        let thread = {
            let tree = tree::lock();
            let threads = tree.node(process.pid()).map(|node| node.threads.as_slice()).unwrap_or_default();
            threads.iter().find(|thread| thread.tid() == tid).cloned()
        };
        // With its thread the timer is silent.
        thread.is_none_or(|thread| send_thread_with(&thread, what))
    }

    fn skip(self: &Arc<Self>) {
        let (base, now) = self.its_now();
        let mut state = self.state.lock();
        state.pending = false;
        let Some((_, at)) = state.at.filter(|at| state.waits && at.0 == base) else { return };
        // No more often than the tick could tell.
        let (passed, next) = forward(at, state.interval, now);
        let next = next.max(in_future(now, crate::time::clock::COARSE_NS));
        state.overrun += passed;
        (state.waits, state.at) = (false, Some((base, next)));
        self.queue(state.at);
    }
}

impl Expire for PosixTimer {
    fn expire(self: Arc<Self>) {
        self.check();
    }
}
