//! The racing forms of all cells: series of rounds, each until something is found or the budget is used up.
//!
//! What was found spoils the machine, so a series ends with its first find, and the next begins on another machine
//! with what is left of the budget and another seed; after [`FINDS`] finds a cell has told what it has to tell. The first find
//! is played again until it has an id, or shows that it cannot have one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use anyhow::Result;
use serde::Serialize;

use crate::lab::{self, Boot, Observation};
use crate::machine::Event;
use crate::plan::{Plan, Scenario};
use crate::records::Cell;
use crate::replay;

/// Finds after which a cell is left.
pub const FINDS: usize = 3;
/// CPUs of a machine that races, unless somebody says otherwise.
pub const CPUS: u32 = 4;
/// What such a machine's kernel is told: that system calls are steps.
pub const KERNEL_ARGUMENT: &str = "lastref.steps";
/// How many disciplines are raced at once.
const MACHINES: usize = 2;

/// What each cell is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// At most this many rounds in all its series.
    pub rounds: u64,
    /// At most this many milliseconds of the guest's time, but for the round that is under way.
    pub ms: u64,
    /// Where the delays of the first series start.
    pub seed: u64,
}

/// What came of the races of one cell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// The scenario's name.
    pub cell: String,
    /// The discipline's.
    pub discipline: String,
    /// What the races may find, several verdicts with `|` between; `ok` or a refusal where that is all they may.
    pub expected: String,
    /// Whether all that was found is.
    pub met: bool,
    /// Rounds in all series.
    pub rounds: u64,
    /// Nanoseconds of the guest's time that they took.
    pub ns: u64,
    /// Nanoseconds until the first find.
    pub first: Option<u64>,
    /// What the first find can be played again by, where it can.
    pub id: Option<String>,
    /// The last record of each series: the finds, and perhaps one that found nothing.
    pub series: Vec<Observation>,
}

impl Tally {
    /// The series that found something.
    pub fn finds(&self) -> impl Iterator<Item = &Observation> {
        self.series.iter().filter(|series| is_find(&series.cell))
    }

    /// Finds for each round, between 0 and 1.
    pub fn rate(&self) -> f64 {
        self.finds().count() as f64 / (self.rounds.max(1)) as f64
    }

    /// Whether the races could find something, and did not.
    pub fn is_unseen(&self) -> bool {
        self.finds().next().is_none() && !matches!(word(&self.expected), "ok" | "refused")
    }

    /// Adds the races of the same cell that came after these. Of those that found nothing the last is kept.
    fn absorb(&mut self, later: Tally) {
        self.first = self.first.or(later.first.map(|first| self.ns + first));
        self.id = self.id.take().or(later.id);
        self.met &= later.met && !later.series.is_empty();
        self.rounds += later.rounds;
        self.ns += later.ns;
        self.series.retain(|series| is_find(&series.cell) || series.lost);
        self.series.extend(later.series);
    }

    fn add(&mut self, seen: Observation) {
        let race = seen.cell.race.unwrap_or_default();
        self.rounds += race.rounds;
        self.ns += race.ns;
        self.met = seen.cell.met && (self.series.is_empty() || self.met);
        if is_find(&seen.cell) && self.first.is_none() {
            self.first = Some(self.ns);
        }
        self.expected.clone_from(&seen.cell.expected);
        self.series.push(seen);
    }

    /// What is left of the budget; `None` when the cell is through.
    fn left(&self, budget: Budget) -> Option<Budget> {
        let through = self.series.last().is_some_and(|last| last.lost || !is_find(&last.cell));
        let rounds = budget.rounds.saturating_sub(self.rounds);
        let ms = budget.ms.saturating_sub(self.ns / 1_000_000);
        let more = !through && self.finds().count() < FINDS && rounds > 0 && ms > 0;
        let seed = budget.seed.wrapping_add(self.series.len() as u64 * 1_000_003);
        more.then_some(Budget { rounds, ms, seed })
    }
}

fn is_find(cell: &Cell) -> bool {
    !matches!(word(&cell.verdict), "ok" | "refused")
}

/// A verdict without its particulars.
fn word(verdict: &str) -> &str {
    verdict.split('(').next().unwrap_or_default()
}

/// All that was raced.
#[derive(Clone, Debug, Serialize)]
pub struct Races {
    /// What each cell was given.
    pub budget: Budget,
    /// One for each cell.
    pub cells: Vec<Tally>,
    /// What went wrong with the machines.
    pub faults: Vec<String>,
}

impl Races {
    /// The races of one scenario under one discipline.
    pub fn find(&self, id: &str, discipline: &str) -> Option<&Tally> {
        self.cells.iter().find(|tally| tally.cell == id && tally.discipline == discipline)
    }

    /// Adds the same cells' races that came after these.
    pub fn absorb(&mut self, later: Races) {
        for tally in later.cells {
            let same = |known: &&mut Tally| known.cell == tally.cell && known.discipline == tally.discipline;
            match self.cells.iter_mut().find(same) {
                Some(known) => known.absorb(tally),
                None => self.cells.push(tally),
            }
        }
        self.faults.extend(later.faults);
    }

    /// Whether every cell was raced, no machine failed, and nothing was found that should not be there.
    pub fn is_well(&self) -> bool {
        self.faults.is_empty() && self.cells.iter().all(|tally| tally.met && !tally.series.is_empty())
    }
}

/// Races every cell of `plan`. `noted` hears of each series as it ends.
///
/// # Errors
/// Where a machine could not be booted, or somebody interrupted it.
pub fn race(plan: &Plan, budget: Budget, boot: &impl Boot, noted: impl Fn(&Cell) + Sync) -> Result<Races> {
    let disciplines = Mutex::new(VecDeque::from(plan.disciplines.clone()));
    let races = Mutex::new(Races { budget, cells: Vec::new(), faults: Vec::new() });
    let work = || -> Result<()> {
        loop {
            let next = disciplines.lock().expect("no observer panics").pop_front();
            let Some(discipline) = next else { return Ok(()) };
            let mut tallies = plan.scenarios.iter().map(|scenario| Tally {
                cell: scenario.id.into(),
                discipline: discipline.into(),
                ..Tally::default()
            });
            let mut tallies: Vec<_> = tallies.by_ref().collect();
            let faults = under(discipline, &plan.scenarios, &mut tallies, budget, boot, &noted);
            let mut races = races.lock().expect("no observer panics");
            races.cells.append(&mut tallies);
            races.faults.extend(faults.inspect_err(|_| {
                disciplines.lock().expect("no observer panics").clear();
            })?);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..MACHINES).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no observer panics"))
    })?;
    Ok(races.into_inner().expect("no observer panics"))
}

/// Races the cells of one discipline, series by series: the machines' faults.
fn under(
    discipline: &'static str,
    scenarios: &[Scenario],
    tallies: &mut [Tally],
    budget: Budget,
    boot: &impl Boot,
    noted: &(impl Fn(&Cell) + Sync),
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    loop {
        let left: Vec<_> = tallies.iter().map(|tally| tally.left(budget)).collect();
        let asked = |id: &str| {
            let at = scenarios.iter().position(|scenario| scenario.id == id)?;
            left[at].map(|Budget { rounds, ms, seed }| format!("{id}:{rounds}:{ms}:{seed}"))
        };
        let going = scenarios.iter().filter(|scenario| asked(scenario.id).is_some()).copied().collect();
        let plan = Plan { scenarios: going, disciplines: vec![discipline] };
        if plan.scenarios.is_empty() {
            break;
        }
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            let cells: Vec<_> = cells.iter().filter_map(|id| asked(id)).collect();
            boot.boot(discipline, &cells.iter().map(String::as_str).collect::<Vec<_>>(), sink)
        };
        let survey = lab::survey(&plan, &boot, |_, cell| noted(cell))?;
        faults.extend(survey.faults);
        for seen in survey.cells {
            if let Some(tally) = tallies.iter_mut().find(|tally| tally.cell == seen.cell.cell) {
                tally.add(seen);
            }
        }
    }
    for tally in tallies {
        let Some(found) = tally.finds().next().filter(|found| !found.lost) else { continue };
        tally.id = replay::confirm(&found.cell, boot)?.map(|id| id.to_string());
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::End;
    use crate::plan::scenarios_named;
    use crate::records::{Race, Record};

    const BUDGET: Budget = Budget { rounds: 100, ms: 10_000, seed: 5 };

    /// A machine on which `H1` is found in the tenth round, and `H5` never.
    fn machine(_: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)) -> Result<End> {
        sink(Event::Log { line: "memory tags: exact", report: false });
        for (done, cell) in cells.iter().enumerate() {
            let mut words = cell.split(':');
            let id = words.next().unwrap();
            let asked: u64 = words.next().unwrap().parse().unwrap();
            let seed = words.nth(1).unwrap().parse().unwrap();
            let found = id == "H1" && asked >= 10;
            let race = Some(Race { rounds: if found { 10 } else { asked }, ns: 1000, seed });
            let verdict = if found { "zombie" } else { "ok" }.to_owned();
            let cell = Cell { cell: id.into(), discipline: "kref".into(), verdict, race, ..Cell::default() };
            let cell = Cell { expected: "zombie".into(), met: true, ..cell };
            sink(Event::Record(Record::Cell(Box::new(cell))));
            if found {
                sink(Event::Record(Record::Tainted { tainted: true, done: Some(done + 1) }));
                return Ok(End::Status(0));
            }
        }
        sink(Event::Record(Record::Done { done: cells.len() }));
        Ok(End::Status(0))
    }

    fn races(ids: &[&str], budget: Budget) -> Races {
        let scenarios = ids.iter().flat_map(|id| scenarios_named(id)).collect();
        race(&Plan { scenarios, disciplines: vec!["kref"] }, budget, &machine, |_| ()).unwrap()
    }

    #[test]
    fn series_follow_each_other_until_there_were_enough_finds() {
        let races = races(&["H1", "H5"], BUDGET);
        let (h1, h5) = (races.find("H1", "kref").unwrap(), races.find("H5", "kref").unwrap());
        assert_eq!((h1.finds().count(), h1.rounds, h1.first), (FINDS, 30, Some(1000)));
        assert_eq!((h5.finds().count(), h5.rounds, h5.first), (0, 100, None));
        assert!(h5.is_unseen() && !h1.is_unseen() && races.is_well());
        let seeds: Vec<_> = h1.series.iter().map(|seen| seen.cell.race.unwrap().seed).collect();
        assert_eq!(seeds, [5, 1_000_008, 2_000_011]);
    }

    #[test]
    fn later_races_are_added_to_earlier_ones() {
        let mut all = races(&["H1", "H5"], Budget { rounds: 5, ..BUDGET });
        all.absorb(races(&["H1", "H5"], BUDGET));
        let (h1, h5) = (all.find("H1", "kref").unwrap(), all.find("H5", "kref").unwrap());
        assert_eq!((h1.finds().count(), h1.rounds, h1.first), (3, 35, Some(2000)));
        assert_eq!((h5.rounds, h5.ns, h5.series.len()), (105, 2000, 1));
        assert!(all.is_well());
        let mut lost = Races { budget: BUDGET, cells: Vec::new(), faults: Vec::new() };
        lost.cells.push(Tally { cell: "H5".into(), discipline: "kref".into(), ..Tally::default() });
        all.absorb(lost);
        assert!(!all.is_well(), "a turn that raced nothing is no clean one");
    }

    #[test]
    fn what_is_left_of_the_budget_is_all_that_a_later_series_has() {
        let races = races(&["H1"], Budget { rounds: 25, ..BUDGET });
        let h1 = races.find("H1", "kref").unwrap();
        assert_eq!((h1.finds().count(), h1.rounds), (2, 25));
        assert!((h1.rate() - 0.08).abs() < 1e-9);
    }
}
