//! `demo --racing`: how often, and how soon, the hazards come about without help.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::{Options, Racing};
use crate::machine::Event;
use crate::plan::{Plan, Scenario};
use crate::race::{self, Budget, Races, Tally};
use crate::records::Cell;
use crate::terminal::{Colour, Progress, Style, say};
use crate::{build, interrupt, matrix};

/// Rounds, where neither rounds nor seconds are given.
const ROUNDS: u64 = 300;
/// Milliseconds, where only rounds are given.
const LONGEST: u64 = 60_000;
/// What a machine may take besides its races, unless the options say otherwise.
const BESIDES: Duration = Duration::from_secs(120);

/// Races `scenarios` and prints what was found; the status is 0 when all were raced and nothing was found that should
/// not be there.
pub fn run(options: &Options, scenarios: Vec<Scenario>, racing: &Racing) -> Result<u8> {
    let plan = super::demo::plan(options, scenarios);
    let budget = budget(racing);
    let races = match racing.lasting {
        Some(lasting) => in_turns(&plan, options, budget, lasting)?,
        None => races(&plan, options, budget)?,
    };
    if options.json {
        say(&(serde_json::to_string_pretty(&races)? + "\n"))?;
    } else {
        let style = Style::of_stdout();
        if plan.scenarios.len() > 1 {
            say(&matrix::draw_races(&plan, &races, style))?;
        }
        for tally in plan.scenarios.iter().flat_map(|scenario| in_order(&plan, &races, scenario)) {
            if plan.scenarios.len() == 1 {
                say(&tell(tally, style))?;
            }
        }
    }
    for Tally { cell, discipline, expected, series, .. } in races.cells.iter().filter(|tally| !tally.met) {
        let found: Vec<_> = series.iter().map(|seen| seen.cell.verdict.as_str()).collect();
        let expected = if expected.is_empty() { "nothing" } else { expected };
        let found = if found.is_empty() { "nothing raced".into() } else { found.join(", ") };
        eprintln!("lastref: {cell} under {discipline}: {found}, though {expected} was expected");
    }
    races.faults.iter().for_each(|fault| eprintln!("lastref: {fault}"));
    Ok(u8::from(!races.is_well()))
}

fn budget(racing: &Racing) -> Budget {
    let ms = racing.seconds.map(|seconds| seconds.as_millis().try_into().unwrap_or(u64::MAX));
    let rounds = racing.rounds.unwrap_or(if ms.is_some() { u64::MAX } else { ROUNDS });
    Budget { rounds, ms: ms.unwrap_or(LONGEST), seed: racing.seed.into() }
}

/// Races the cells in turn, on new machines and from another seed each time, until `lasting` has passed on the host.
/// Each turn is told on stderr as it ends, and what should not have been found with the kernel's report.
fn in_turns(plan: &Plan, options: &Options, budget: Budget, lasting: Duration) -> Result<Races> {
    let start = Instant::now();
    let mut all = Races { budget, cells: Vec::new(), faults: Vec::new() };
    for turn in 0.. {
        let budget = Budget { seed: budget.seed.wrapping_add(turn), ..budget };
        let now = races(plan, options, budget)
            .inspect_err(|_| eprintln!("lastref: until then, {}", so_far(&all)))?;
        for tally in now.cells.iter().filter(|tally| !tally.met) {
            eprint!("{}", tell(tally, Style::PLAIN));
            tally.finds().for_each(|seen| eprint!("{}", seen.log));
        }
        all.absorb(now);
        let (passed, turn, seed) = (start.elapsed(), turn + 1, budget.seed);
        eprintln!("lastref: {} s, turn {turn} of seed {seed}: {}", passed.as_secs(), so_far(&all));
        if passed >= lasting {
            break;
        }
    }
    Ok(all)
}

/// What all turns came to.
fn so_far(races: &Races) -> String {
    let rounds: u64 = races.cells.iter().map(|tally| tally.rounds).sum();
    let ns: u64 = races.cells.iter().map(|tally| tally.ns).sum();
    let finds: usize = races.cells.iter().map(|tally| tally.finds().count()).sum();
    let unexpected = races.cells.iter().filter(|tally| !tally.met).count();
    let (cells, faults) = (races.cells.len(), races.faults.len());
    format!(
        "{rounds} rounds of {cells} cells in {}, {finds} finds, {unexpected} cells not as expected, {faults} faults",
        time(ns)
    )
}

fn in_order<'a>(plan: &'a Plan, races: &'a Races, scenario: &'a Scenario) -> impl Iterator<Item = &'a Tally> {
    plan.disciplines.iter().filter_map(|discipline| races.find(scenario.id, discipline))
}

fn races(plan: &Plan, options: &Options, budget: Budget) -> Result<Races> {
    let guest = build::guest_with(options.detector)?;
    interrupt::watch()?;
    let progress = Progress::new();
    progress.show("booting");
    let all = Duration::from_millis(budget.ms).saturating_mul(plan.scenarios.len() as u32);
    let limit = options.timeout.unwrap_or(all.saturating_add(BESIDES));
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        let command = ["/bin/lab"].iter().chain(cells).copied();
        super::machine(guest, options)
            .kernel_arguments(race::KERNEL_ARGUMENT)
            .cpus(options.smp.unwrap_or(race::CPUS))
            .discipline(discipline)
            .command(command)
            .limit(Some(limit))
            .run(|event| {
                if let (true, Event::Log { line, .. }) = (options.verbose, &event) {
                    eprintln!("{discipline}: {line}");
                }
                sink(event);
            })
    };
    race::race(plan, budget, &boot, |Cell { cell, discipline, verdict, race, .. }| {
        let rounds = race.unwrap_or_default().rounds;
        progress.show(&format!("{cell} under {discipline}: {verdict} after {rounds} rounds"));
    })
}

fn tell(tally: &Tally, style: Style) -> String {
    let Tally { cell, discipline, rounds, ns, .. } = tally;
    let heading = format!("{cell} under {discipline}, racing");
    let mut text = style.paint(Colour::Bold, &heading) + "\n";
    let finds = tally.finds().count();
    text += &format!("  {rounds} rounds in {}, {finds} finds", time(*ns));
    text += &match tally.first {
        Some(first) => format!(" ({:.3} a round), the first after {}\n", tally.rate(), time(first)),
        None if tally.is_unseen() => format!(": {} was not observed\n", tally.expected),
        None => ": nothing, as it should be\n".into(),
    };
    for seen in tally.finds() {
        let Cell { verdict, place, race, .. } = &seen.cell;
        let race = race.unwrap_or_default();
        let painted = style.paint(matrix::colour(verdict), verdict);
        text += &format!("  {painted} in round {} of seed {}\n", race.rounds, race.seed);
        if let Some(place) = place.as_deref().filter(|place| !place.is_empty()) {
            text += &format!("    where: {}\n", place.replace('\n', "\n    "));
        }
    }
    if finds > 0 {
        text += &match &tally.id {
            Some(id) => format!("  the first again: cargo run -- demo --replay {id}\n"),
            None => "  the first does not come again by its order of steps alone\n".into(),
        };
    }
    if let Some(seen) = tally.finds().next() {
        text += "  the first of these rounds:\n";
        for (number, step) in (1..).zip(&seen.cell.detail) {
            text += &format!("    {number}. {step}\n");
        }
    }
    text + "\n"
}

/// Nanoseconds for a reader: `12 ms`, `1.5 s`.
pub(crate) fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{} us", ns / 1000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{}.{} s", ns / 1_000_000_000, ns / 100_000_000 % 10),
    }
}
