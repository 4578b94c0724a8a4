//! Further processes of a scenario, that do one part of it each, and how the first one waits for them.
//!
//! Nothing here depends on how long anything takes: one waits until a task has come to a meeting point, has ended, or
//! is blocked, as the kernel says. The bound is there for what never comes.

use super::stage::{Stage, Stop, must};
use crate::guest::{meet, steps};
use crate::rt::{Mapping, Status, abi, process, time};
use alloc::format;
use core::fmt;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// Nanoseconds between two looks.
const LOOK: u64 = time::MS;
/// Looks until whatever is waited for will not come any more.
const LOOKS: usize = 3000;
/// Looks until it will not come in the order that is followed, if one is.
const STALLED: usize = 300;

/// How many of the places on a sleeper's stack are written down.
const PLACES: usize = 8;

/// A process that plays a part.
#[derive(Debug)]
pub struct Actor {
    pub(super) who: &'static str,
    pub(super) pid: i32,
}

impl Actor {
    /// What its steps are called by.
    pub fn who(&self) -> &'static str {
        self.who
    }
}

/// What became of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// It waits where it was meant to.
    There,
    /// It is asleep in the kernel, and no signal ends that.
    Blocked,
    /// It has played its part: nothing went wrong, or this error came of it.
    Done(Option<Errno>),
    /// A signal killed it.
    Killed(u8),
}

impl Now {
    pub(super) fn of(status: Status) -> Now {
        match status {
            Status::Exited(errno) => Now::Done(Errno::new(errno.into())),
            Status::Killed(signal) => Now::Killed(signal),
        }
    }
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Now::There => f.write_str("waits there"),
            Now::Blocked => f.write_str("blocked"),
            Now::Done(None) => f.write_str("done"),
            Now::Done(Some(errno)) => write!(f, "{errno}"),
            Now::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// A sign that one process gives another. Made before the other is started.
pub struct Cue(Mapping);

impl Cue {
    /// Not given yet.
    pub fn new() -> core::result::Result<Cue, Stop> {
        let flags = abi::MAP_SHARED | abi::MAP_ANONYMOUS;
        must("mmap", Mapping::new(abi::PAGE, abi::PROT_RW, flags, -1, 0)).map(Cue)
    }

    /// Gives it.
    pub fn give(&self) {
        self.0.put_word(0, 1);
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        self.0.word(0) == 1
    }

    /// Waits for it.
    pub fn wait(&self) -> core::result::Result<(), Stop> {
        until("a cue", || Ok(self.is_given().then_some(())))
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> core::result::Result<T, Stop> {
    for looks in 0..LOOKS {
        if let Some(found) = must(what, look())? {
            return Ok(found);
        }
        if looks == STALLED {
            // Where an order is followed that keeps what is waited for from coming, it is followed no further.
            must("steps", steps::go())?;
        }
        must("nanosleep", time::sleep(LOOK))?;
    }
    Err(Stop(format!("{what} did not come")))
}

impl Stage {
    /// Has another process play a part, from now on. An error that the part ends with is what the actor is
    /// [`Done`](Now::Done) with.
    pub fn meanwhile(
        &self,
        who: &'static str,
        part: impl FnOnce(&Stage) -> Result<()>,
    ) -> core::result::Result<Actor, Stop> {
        let stage = must("open", self.of_actor(who))?;
        let number = self.enter_actor(who);
        let pid = process::spawn(|| {
            let place = steps::Place::open().ok();
            let _ = place.as_ref().map(|place| place.enter(number));
            let played = part(&stage);
            let _ = place.map(|place| place.leave());
            played.map_or_else(|errno| errno.get().into(), |()| 0)
        });
        must("fork", pid).map(|pid| Actor { who, pid })
    }

    /// Waits until the actor has come to a meeting point, or has ended without coming there.
    pub fn until_there(&self, actor: &Actor, point: &str) -> core::result::Result<Now, Stop> {
        let now = until(actor.who, || match meet::is_there(point)? {
            true => Ok(Some(Now::There)),
            false => ended(actor),
        })?;
        self.note(format_args!("{} comes to `{point}`", actor.who), now);
        Ok(now)
    }

    /// Waits until the actor has ended, or is blocked.
    pub fn until_still(&self, actor: &Actor) -> core::result::Result<Now, Stop> {
        let now = until(actor.who, || still(actor))?;
        self.note(format_args!("{} meanwhile", actor.who), now);
        Ok(now)
    }

    /// Waits until the actor has given a cue, has ended, or is blocked.
    pub fn until_still_or(&self, actor: &Actor, cue: &Cue) -> core::result::Result<Now, Stop> {
        let now = until(actor.who, || if cue.is_given() { Ok(Some(Now::There)) } else { still(actor) })?;
        self.note(format_args!("{} meanwhile", actor.who), now);
        Ok(now)
    }

    /// Waits until the actor has ended.
    pub fn until_ended(&self, actor: &Actor) -> core::result::Result<Now, Stop> {
        let now = until(actor.who, || ended(actor))?;
        self.note(format_args!("{} in the end", actor.who), now);
        Ok(now)
    }

    /// Waits until the actor has ended, which has to be well.
    pub fn until_done(&self, actor: &Actor) -> core::result::Result<(), Stop> {
        match self.until_ended(actor)? {
            Now::Done(None) => Ok(()),
            other => Err(Stop(format!("{}: {other}", actor.who))),
        }
    }

    /// Sends SIGKILL to an actor that is blocked, and says whether it is blocked still. Writes down where it sleeps.
    pub fn outlives_sigkill(&self, actor: &Actor) -> core::result::Result<bool, Stop> {
        let what = format_args!("kill -9 {}", actor.who);
        must("kill", self.taken(what, || process::kill(actor.pid, abi::SIGKILL)))?;
        // A sleep that a signal may end was ended by now: the task would be ready, or gone.
        let doing = must("tasks", meet::doing(actor.pid))?.unwrap_or_default();
        let mut words = doing.split(' ').skip(1);
        self.note(format_args!("{} after that", actor.who), words.next().unwrap_or("gone"));
        let places = words.filter(|place| place.starts_with("[<")).take(PLACES);
        places.for_each(|place| self.note(format_args!("{} sleeps in", actor.who), place));
        Ok(doing.contains(" blocked"))
    }

    /// Has the next task that comes to a meeting point wait there.
    pub fn arm(&self, point: &str) -> core::result::Result<(), Stop> {
        must("meet", self.taken(format_args!("arm `{point}`"), || meet::arm(point)))
    }

    /// Lets whoever waits at a meeting point go on.
    pub fn go(&self, point: &str) -> core::result::Result<(), Stop> {
        must("meet", self.taken(format_args!("go on from `{point}`"), || meet::go(point)))
    }
}

fn still(actor: &Actor) -> Result<Option<Now>> {
    let blocked = meet::doing(actor.pid)?.is_some_and(|line| line.contains(" blocked"));
    if blocked { Ok(Some(Now::Blocked)) } else { ended(actor) }
}

fn ended(actor: &Actor) -> Result<Option<Now>> {
    process::poll(actor.pid).map(|status| status.map(Now::of))
}
