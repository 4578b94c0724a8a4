//! The racing form of a scenario: the same paths on several CPUs, and no help. Nobody is made to wait anywhere.
//!
//! A round is one call of [`Race::play`]. It sets racers off, a process and a CPU for each: they get ready, come to a
//! start line, start together when all have come, wait for a moment of random length, and do what they have to. Who
//! is first in what is anybody's guess; round follows round until something is found, or the plan is through.
//!
//! What the racers do from the start on is written down as steps ([`crate::guest::steps`]), and a round can be played
//! again in the order of another's: then nobody waits at random, and the kernel lets one racer move at a time.
//!
//! A round that found nothing proves nothing. So what a race is expected to find under a discipline is what it *may*
//! find; only where that is `ok` or a refusal does it have to be so in every round.

use super::actor::{Actor, Now};
use super::board::Board;
use super::stage::must;
use super::{Expected, Scenario, Stage, Stop};
use crate::guest::provider::Provider;
use crate::guest::{meet, oracle, read_text, steps};
use crate::judge::{Conclusion, Counts, Observation, counts};
use crate::rt::rng::Rng;
use crate::rt::{Fd, abi, file, process, time};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use heaps::uapi::errno::{Errno, Result};

/// A scenario's racing form.
pub struct Race {
    /// Plays one round.
    pub play: fn(&mut Stage) -> core::result::Result<(), Stop>,
    /// What it may find under each discipline: one word, or several with `|` between.
    pub finds: Expected,
}

/// What a racer does: a name for its steps, and the steps. An error that the part ends with is what the racer is
/// [`Done`](Now::Done) with.
pub type Part<'a> = (&'static str, &'a dyn Fn(&Stage) -> Result<()>);

/// What a racer's stage has besides.
pub(super) struct Racer {
    all: u64,
    number: u8,
    place: Option<steps::Place>,
    rng: RefCell<Rng>,
    /// Whether it waits at random.
    dawdles: bool,
}

/// The longest a racer waits after the start: this many turns of a loop, as a power of two.
const LONGEST: u64 = 13;
/// Nanoseconds between two looks at the racers. A process that looked all the time would take a CPU from them where the
/// host has fewer than the machine.
const LOOK: u64 = time::MS / 4;
/// Looks at racers until they will not come to an end any more.
const LOOKS: usize = 20_000;
/// Looks without an end of anybody before it is asked what they do.
const PATIENCE: usize = 100;
/// Looks until an order that is followed keeps the racers from an end.
const STALLED: usize = 2000;
/// Looks in a row at which all were blocked before they are taken for blocked for good.
const BLOCKED: usize = 80;

impl Stage {
    /// Sets racers off, and waits until each has ended, or is blocked for good.
    pub fn race<const N: usize>(&self, parts: [Part<'_>; N]) -> core::result::Result<[Now; N], Stop> {
        let racers = self.set_off(parts)?;
        self.until_over(&racers)
    }

    /// Sets racers off.
    pub fn set_off<const N: usize>(&self, parts: [Part<'_>; N]) -> core::result::Result<[Actor; N], Stop> {
        let board = self.board().ok_or_else(|| Stop("nobody races here".into()))?;
        let cpus = must("affinity", process::affinity())?.count_ones();
        let mut racers = Vec::new();
        let dawdles = self.racer.as_ref().is_none_or(|racer| racer.dawdles);
        for (who, part) in parts {
            let mut stage = must("open", self.of_actor(who))?;
            let (seed, number) = (self.random(), self.enter_actor(who));
            let pid = process::spawn(|| {
                let _ = process::set_affinity(1 << (u32::from(number) % cpus));
                let (place, rng) = (steps::Place::open().ok(), RefCell::new(Rng::new(seed)));
                stage.racer = Some(Racer { all: N as u64, number, place, rng, dawdles });
                let played = part(&stage);
                let _ = stage.racer.and_then(|racer| racer.place).map(|place| place.leave());
                played.map_or_else(|errno| errno.get().into(), |()| 0)
            });
            match pid {
                Ok(pid) => racers.push(Actor { who, pid }),
                Err(e) => {
                    board.start();
                    return Err(Stop(format!("fork: {e}")));
                }
            }
        }
        racers.try_into().map_err(|_| Stop("too few racers".into()))
    }

    /// Waits until each racer has ended, or is blocked for good.
    pub fn until_over<const N: usize>(&self, racers: &[Actor; N]) -> core::result::Result<[Now; N], Stop> {
        let mut now = [None; N];
        let mut blocked = 0;
        for look in 0..LOOKS {
            if look == STALLED && self.racer.as_ref().is_some_and(|racer| !racer.dawdles) {
                self.note(
                    format_args!("the order that is followed"),
                    "keeps somebody from going on: no further",
                );
                must("steps", steps::go())?;
            }
            for (now, racer) in now.iter_mut().zip(racers).filter(|(now, _)| now.is_none()) {
                *now = must("wait4", process::poll(racer.pid))?.map(Now::of);
            }
            if now.iter().any(Option::is_some) {
                // Who has ended does not come to the start line any more.
                self.board().inspect(|board| board.start());
            }
            if let Some(all) = all(&now) {
                return Ok(self.told(racers, all));
            }
            must("nanosleep", time::sleep(LOOK))?;
            if look < PATIENCE {
                continue;
            }
            let left = || racers.iter().zip(&now).filter(|(_, now)| now.is_none());
            let stuck =
                |racer: &Actor| Ok(meet::doing(racer.pid)?.is_some_and(|line| line.contains(" blocked")));
            let all_stuck = left().map(|(racer, _)| stuck(racer)).collect::<Result<Vec<_>>>();
            blocked = if must("tasks", all_stuck)?.iter().all(|stuck| *stuck) { blocked + 1 } else { 0 };
            if blocked == BLOCKED {
                return Ok(self.told(racers, now.map(|now| now.unwrap_or(Now::Blocked))));
            }
        }
        Err(Stop("a racer did not come to an end".into()))
    }

    fn told<const N: usize>(&self, racers: &[Actor; N], now: [Now; N]) -> [Now; N] {
        racers
            .iter()
            .zip(&now)
            .for_each(|(racer, now)| self.note(format_args!("{} in the end", racer.who), now));
        now
    }

    /// Comes to the start line, starts when all have come, and waits for a moment of random length.
    pub fn start(&self) {
        let (Some(board), Some(racer)) = (self.board(), &self.racer) else { return };
        let _ = racer.place.as_ref().map(|place| place.enter(racer.number));
        board.come(racer.all);
        let mut looks = 0u32;
        while !board.is_started() {
            looks += 1;
            if looks.is_multiple_of(1 << 12) {
                process::give_way();
            }
            core::hint::spin_loop();
        }
        if !racer.dawdles {
            return;
        }
        let mut rng = racer.rng.borrow_mut();
        let longest = 1 << rng.below(LONGEST + 1);
        for turn in 0..rng.below(longest) {
            core::hint::black_box(turn);
        }
    }

    /// What a remover does: starts, and unbinds the device.
    pub fn remove(&self, provider: &Provider) -> Result<()> {
        self.start();
        self.unbind(provider)
    }

    fn random(&self) -> u64 {
        self.racer.as_ref().map_or(0, |racer| racer.rng.borrow_mut().next_u64())
    }

    /// Ends a round in which `provider`'s device was removed, or not, by the racer that is `removed` now: concludes, and
    /// sends the module away.
    pub fn round_ends(&mut self, removed: Now, provider: &Provider) -> core::result::Result<(), Stop> {
        match removed {
            Now::Done(None) => {
                if !self.concluded() {
                    self.conclude(Conclusion::Ok("nothing came of it".into()));
                }
                must("delete_module", self.unload(provider))
            }
            Now::Done(Some(Errno::EBUSY)) => {
                self.conclude(Conclusion::Refused(format!("{}", Errno::EBUSY)));
                Ok(())
            }
            other => Err(Stop(format!("remover: {other}"))),
        }
    }
}

fn all<const N: usize>(now: &[Option<Now>; N]) -> Option<[Now; N]> {
    now.iter().all(Option::is_some).then(|| now.map(|now| now.unwrap_or(Now::There)))
}

/// Ends a round that a racer has to have survived: what else it is `done` with than the errors of `fine` ends it.
pub fn well(who: &str, now: Now, fine: &[Errno]) -> core::result::Result<(), Stop> {
    match now {
        Now::Done(None) => Ok(()),
        Now::Done(Some(e)) if fine.contains(&e) => Ok(()),
        other => Err(Stop(format!("{who}: {other}"))),
    }
}

/// What to race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan<'a> {
    /// A series of rounds.
    Series(Series),
    /// One round in this order of steps: a racer's digit for each.
    Follow(&'a str),
}

impl<'a> Plan<'a> {
    /// Reads `ROUNDS:MS:SEED`, or `follow:ORDER`.
    pub fn parse(text: &'a str) -> Option<Plan<'a>> {
        match text.strip_prefix("follow:") {
            Some(order) if !order.is_empty() && order.bytes().all(|b| b.is_ascii_digit()) => {
                Some(Plan::Follow(order))
            }
            Some(_) => None,
            None => Series::parse(text).map(Plan::Series),
        }
    }

    /// Nanoseconds that it may take as planned.
    pub fn ns(self) -> u64 {
        match self {
            Plan::Series(series) => series.ms.saturating_mul(time::MS),
            Plan::Follow(_) => 0,
        }
    }

    /// Where its delays start.
    pub fn seed(self) -> u64 {
        match self {
            Plan::Series(series) => series.seed,
            Plan::Follow(_) => 0,
        }
    }
}

/// How long a series of rounds goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// At most this many rounds.
    pub rounds: u64,
    /// And no further one after this many milliseconds.
    pub ms: u64,
    /// Where the delays start.
    pub seed: u64,
}

impl Series {
    fn parse(text: &str) -> Option<Series> {
        let mut numbers = text.split(':').map(|number| number.parse::<u64>().ok());
        let plan = Series { rounds: numbers.next()??, ms: numbers.next()??, seed: numbers.next()?? };
        (numbers.next().is_none() && plan.rounds > 0).then_some(plan)
    }
}

/// Plays rounds until one finds something or the plan is through; writes down the last round, how many there were and
/// how long they took. The status to exit with.
///
/// # Errors
/// What the kernel's files say.
pub fn race(scenario: &Scenario, plan: Plan<'_>, observation: &str) -> Result<i32> {
    let (series, order) = match plan {
        Plan::Series(series) => (series, None),
        Plan::Follow(order) => (Series { rounds: 1, ms: 0, seed: 0 }, Some(order)),
    };
    let board = Rc::new(Board::new()?);
    let mut rng = Rng::new(series.seed);
    let reports = oracle::reports()?.len();
    let before = holders(oracle::settled_counts()?);
    let start = time::now();
    for round in 1.. {
        board.clear();
        order.map_or_else(steps::record, steps::follow)?;
        let mut stage = Stage::of_round(&board);
        let rng = RefCell::new(Rng::new(rng.next_u64()));
        stage.racer = Some(Racer { all: 0, number: 0, place: None, rng, dawdles: order.is_none() });
        // Should this process not survive the round, that is its number.
        write_down(observation, round, time::now() - start, "")?;
        let played = (scenario.race.play)(&mut stage);
        let elapsed = time::now() - start;
        let seen = Observation::parse(&board.text());
        let found = played.is_err() || oracle::reports()?.len() != reports || shows(&seen, &before)?;
        if found || round == series.rounds || elapsed / time::MS >= series.ms {
            if let Err(Stop(why)) = &played {
                match stage.concluded() {
                    true => stage.note(format_args!("clean-up failed"), why),
                    false => stage.conclude(Conclusion::Failed(why.clone())),
                }
            }
            write_down(observation, round, elapsed, &board.text())?;
            return Ok(played.is_err().into());
        }
    }
    Ok(1)
}

/// Writes down, in place of what was there, how many rounds there were in how many nanoseconds, and the last.
fn write_down(observation: &str, rounds: u64, elapsed: u64, last: &str) -> Result<()> {
    let flags = abi::O_WRONLY | abi::O_CREAT | abi::O_TRUNC | abi::O_CLOEXEC;
    let file = Fd::open(observation, flags)?;
    file::write_all(file.raw(), format!("race {rounds} {elapsed}\n{last}").as_bytes())
}

/// Whether a round's conclusion, or a holder of something that stayed, shows that something is wrong.
fn shows(seen: &Observation, before: &Counts) -> Result<bool> {
    match seen.conclusion {
        Some(Conclusion::Refused(_)) => return Ok(false),
        Some(Conclusion::Ok(_)) => {}
        _ => return Ok(true),
    }
    let now = counts::parse(&read_text(oracle::COUNTS)?);
    // What is on its way out still counts, unless one waits for it.
    Ok(holders(now) != *before && holders(oracle::settled_counts()?) != *before)
}

/// The counts of what the subsystem holds, which every round leaves as they were.
fn holders(all: Counts) -> Counts {
    let held = ["heaps", "minors", "buffers", "buffer_bytes", "module_refs"];
    all.into_iter().filter(|(name, _)| held.contains(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let series = Series { rounds: 5, ms: 100, seed: 7 };
        assert_eq!(Plan::parse("5:100:7"), Some(Plan::Series(series)));
        assert_eq!(Plan::parse("follow:0011"), Some(Plan::Follow("0011")));
        for wrong in ["follow:", "follow:0a", "follow", "", "5", "5:100", "5:100:7:1", "0:100:7", "a:1:1"] {
            assert_eq!(Plan::parse(wrong), None, "{wrong}");
        }
    }
}
