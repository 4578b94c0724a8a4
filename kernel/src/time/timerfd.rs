//! Timers that are files. Models `fs/timerfd.c`.
//!
//! One that comes again is started again when its expirations are read, so that nobody's neglect keeps the machine
//! busy.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::{self, Write};

use heaps::{Errno, Result};

use super::clock::{self, Base, NS_PER_S};
use super::timer::{self, Expire, forward, in_future};
use crate::mm::admit::admit;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};
use crate::vfs::anon;
use crate::vfs::file::{Events, File, FileOps, POLLIN, Whence};
use crate::vfs::flags::{O_NONBLOCK, O_RDWR};
use crate::vfs::io::Sink;
use crate::vfs::poll::PollQueue;

/// The time is one of the clock, not one from now.
pub const TFD_TIMER_ABSTIME: u32 = 1;
/// Reading fails once when the time of day is set.
pub const TFD_TIMER_CANCEL_ON_SET: u32 = 2;

/// How long until a timer expires and how far its expirations are apart, in nanoseconds; 0 for not at all and for once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Until the next one.
    pub value: u64,
    /// Between them.
    pub interval: u64,
}

/// A time by a clock.
type Time = (Base, u64);

#[derive(Default)]
struct State {
    /// When it expires next; with `expired`, when it did.
    at: Option<Time>,
    interval: u64,
    /// Expirations nobody has read.
    ticks: u64,
    /// Whether it expired and has not been started again.
    expired: bool,
    flags: u32,
    /// Where setting the time of day matters, how often it had been set.
    seen: Option<u64>,
}

/// What the file and the timer share.
pub struct TimerFd {
    id: u32,
    base: Base,
    state: SpinLock<State, { order::PIPE }>,
    changed: WaitQueue,
    watched: PollQueue,
}

/// Those that setting the time of day cancels.
static CANCELLABLE: SpinLock<Vec<Arc<TimerFd>>, { order::FILE_LINKS }> = SpinLock::new(Vec::new());

/// The operations of a timer's file; dropping them stops it.
struct Handle(Arc<TimerFd>);

/// A timer by the clock `base`, which user space calls `id`; `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`.
pub fn new(id: u32, base: Base, flags: u32) -> Result<Arc<File>> {
    admit()?;
    let (changed, watched) = (WaitQueue::new(), PollQueue::new());
    let timer = TimerFd { id, base, state: SpinLock::new(State::default()), changed, watched };
    anon::file(O_RDWR | flags, Handle(Arc::new(timer)))
}

/// The timer behind a file, if it is one.
pub fn of(file: &File) -> Option<&Arc<TimerFd>> {
    let ops: &dyn Any = file.ops();
    ops.downcast_ref::<Handle>().map(|Handle(timer)| timer)
}

impl State {
    /// Counts what has expired since it was last started, and says when it expires next.
    fn catch_up(&mut self) {
        if let (Some((base, at)), true) = (self.at, self.expired && self.interval > 0) {
            let (passed, next) = forward(at, self.interval, base.now());
            self.ticks += passed.saturating_sub(1);
            self.at = Some((base, next));
            self.expired = false;
        }
    }

    fn setting(&self) -> Setting {
        let left = self.at.filter(|_| !self.expired).map_or(0, |(base, at)| at.saturating_sub(base.now()));
        Setting { value: left, interval: self.interval }
    }

    /// Whether the time of day was set since somebody asked last, where that matters.
    fn cancelled(&mut self) -> bool {
        let now = clock::changes();
        self.seen.as_mut().is_some_and(|seen| core::mem::replace(seen, now) != now)
    }
}

impl TimerFd {
    /// The setting as it is. A timer that comes again and has expired is started again.
    pub fn get(self: &Arc<Self>) -> Setting {
        let mut state = self.state.lock();
        let was = state.expired;
        state.catch_up();
        let (restart, setting) = (state.at.filter(|_| was && !state.expired), state.setting());
        self.start(restart);
        setting
    }

    /// Sets it, and returns the setting before. `ECANCELED` where the time of day was set since, `ENOMEM`.
    pub fn set(self: &Arc<Self>, flags: u32, new: Setting) -> Result<Setting> {
        let absolute = flags & TFD_TIMER_ABSTIME != 0;
        let cancellable = absolute && flags & TFD_TIMER_CANCEL_ON_SET != 0 && self.base == Base::Realtime;
        self.set_cancellable(cancellable)?;
        let mut state = self.state.lock();
        state.catch_up();
        let (before, stopped) = (state.setting(), state.at.take());
        // A time from now is not moved by setting the clock.
        let at = match absolute {
            true => (self.base, new.value),
            false => (Base::Monotonic, in_future(Base::Monotonic.now(), new.value)),
        };
        let started = Some(at).filter(|_| new.value > 0);
        let cancelled = cancellable && state.cancelled();
        let seen = cancellable.then(clock::changes);
        *state = State { at: started, interval: new.interval, ticks: 0, expired: false, flags, seen };
        // In one step with the queue: of two that set it at once, one would else stay queued for ever.
        if let Some((base, at)) = stopped {
            timer::stop(base, at, self);
        }
        self.start(started);
        drop(state);
        if cancelled { Err(Errno::ECANCELED) } else { Ok(before) }
    }

    fn start(self: &Arc<Self>, at: Option<Time>) {
        if let Some((base, at)) = at {
            timer::start(base, at, self.clone());
        }
    }

    fn set_cancellable(self: &Arc<Self>, on: bool) -> Result<()> {
        let mut all = CANCELLABLE.lock();
        let at = all.iter().position(|other| Arc::ptr_eq(other, self));
        let mut gone = None;
        match (on, at) {
            (true, None) => {
                all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                all.push(self.clone());
            }
            (false, Some(at)) => gone = Some(all.swap_remove(at)),
            _ => {}
        }
        if all.is_empty() {
            // An emptied vector keeps its memory.
            *all = Vec::new();
        }
        drop(all);
        drop(gone);
        Ok(())
    }

    fn note(&self) {
        self.changed.wake_all();
        self.watched.notify(POLLIN);
    }

    /// Takes the expirations, if there are any: how many. It is started again, if it comes again.
    fn take(self: &Arc<Self>) -> Option<Result<u64>> {
        let mut state = self.state.lock();
        if state.cancelled() {
            (state.ticks, state.expired) = (0, false);
            return Some(Err(Errno::ECANCELED));
        }
        if state.ticks == 0 {
            return None;
        }
        let was = state.expired;
        state.catch_up();
        let again = state.at.filter(|_| was && !state.expired);
        state.expired = false;
        if again.is_none() && was {
            state.at = None;
        }
        self.start(again);
        Some(Ok(core::mem::take(&mut state.ticks)))
    }
}

impl Expire for TimerFd {
    fn expire(self: Arc<Self>) {
        let mut state = self.state.lock();
        // It may have been set anew on its way here.
        if state.expired || state.at.is_none_or(|(base, at)| at > base.now()) {
            return;
        }
        state.expired = true;
        state.ticks += 1;
        drop(state);
        self.note();
    }
}

/// The time of day was set.
pub(super) fn clock_was_set() {
    let nth = |n: usize| CANCELLABLE.lock().get(n).cloned();
    for timer in (0..).map_while(nth) {
        timer.state.lock().ticks += 1;
        timer.note();
    }
}

impl FileOps for Handle {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        if to.room() < 8 {
            return Err(Errno::EINVAL);
        }
        let timer = &self.0;
        let taken = match file.flags() & O_NONBLOCK {
            0 => timer.changed.wait_interruptible(Interruptible::Yes, || timer.take())?,
            _ => timer.take().unwrap_or(Err(Errno::EAGAIN)),
        };
        to.put(&taken?.to_ne_bytes())?;
        Ok(8)
    }

    fn poll(&self, _: &File) -> Events {
        if self.0.state.lock().ticks > 0 { POLLIN } else { 0 }
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.0.watched)
    }

    fn llseek(&self, _: &File, _: i64, _: Whence) -> Result<u64> {
        Ok(0)
    }

    fn show_fdinfo(&self, to: &mut dyn Write, _: usize) -> fmt::Result {
        let state = self.0.state.lock();
        let (Setting { value, interval }, ticks, flags) = (state.setting(), state.ticks, state.flags);
        drop(state);
        let pair = |ns: u64| format!("({}, {})", ns / NS_PER_S, ns % NS_PER_S);
        writeln!(
            to,
            "clockid: {}\nticks: {ticks}\nsettime flags: 0{flags:o}\nit_value: {}\nit_interval: {}",
            self.0.id,
            pair(value),
            pair(interval)
        )
    }

    fn link_text(&self) -> Option<String> {
        Some("anon_inode:[timerfd]".into())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nothing is allocated to take it off the list.
        let _ = self.0.set_cancellable(false);
        let at = self.0.state.lock().at.take();
        if let Some((base, at)) = at {
            timer::stop(base, at, &self.0);
        }
    }
}
