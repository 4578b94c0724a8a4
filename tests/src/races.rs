//! The racing forms: no race finds anything under the sound discipline, and under an unsound one the commonest do.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lastref::plan::{Plan, SCENARIOS, scenarios_named};
use lastref::race::{self, Budget, Races};
use lastref::{Event, Machine, build};
use libtest_mimic::Trial;

use crate::trial;

/// Rounds of each cell that has to be clean: a few seconds for all. Longer is `cargo run -- demo --racing`.
const CLEAN: u64 = 15;
/// Rounds within which the unsound cells are found. They take a handful.
const FOUND: u64 = 300;
const LIMIT: Duration = Duration::from_secs(300);

/// Clean: `races::lastref`. Found: `races::kref`.
pub fn trials() -> Vec<Trial> {
    vec![trial("races::lastref", clean), trial("races::kref", found)]
}

fn races(plan: &Plan, rounds: u64) -> Result<Races> {
    let guest = build::guest()?;
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        let command = ["/bin/lab"].iter().chain(cells).copied();
        let machine = Machine::new(guest).cpus(race::CPUS).kernel_arguments(race::KERNEL_ARGUMENT);
        machine.discipline(discipline).command(command).limit(Some(LIMIT)).run(sink)
    };
    race::race(plan, Budget { rounds, ms: 60_000, seed: 20_261_123 }, &boot, |_| ())
}

fn clean() -> Result<()> {
    let plan = Plan { scenarios: SCENARIOS.to_vec(), disciplines: vec!["lastref"] };
    let races = races(&plan, CLEAN)?;
    for tally in &races.cells {
        if let Some(seen) = tally.finds().next() {
            bail!("{}: {} {:#?}\n{}", tally.cell, seen.cell.verdict, seen.cell.detail, seen.log);
        }
        ensure!(tally.rounds > 0 && tally.expected == "ok", "{} was not raced", tally.cell);
    }
    ensure!(races.is_well(), "{}", races.faults.join("; "));
    Ok(())
}

fn found() -> Result<()> {
    let scenarios = ["H1", "H5", "H14"].iter().flat_map(|id| scenarios_named(id)).collect();
    let races = races(&Plan { scenarios, disciplines: vec!["kref"] }, FOUND)?;
    for tally in &races.cells {
        let Some(seen) = tally.finds().next() else { bail!("{} was not found", tally.cell) };
        ensure!(seen.cell.verdict == "use-after-free", "{}: {}", tally.cell, seen.cell.verdict);
        ensure!(seen.log.contains("BUG: "), "{}: the log shows no report", tally.cell);
    }
    Ok(())
}
