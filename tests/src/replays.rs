//! Ids: played again, the same verdict comes from the same order of steps.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lastref::detector::Detector;
use lastref::plan::{Plan, SCENARIOS, Scenario, scenarios_named};
use lastref::race::{self, Budget};
use lastref::replay::{self, Id};
use lastref::{End, Event, Machine, build};
use libtest_mimic::Trial;

use crate::cells;
use crate::trial;

const LIMIT: Duration = Duration::from_secs(200);
/// Cells whose paths meet at a point: under a lock, in a call, at a close.
const DIRECTED: [(&str, &str); 4] =
    [("H3-get", "kref"), ("H3-open", "lastref"), ("H2", "kref-full"), ("H5", "kref-open-close")];
/// Cells that races find in a few rounds.
const RACED: [&str; 3] = ["H1", "H3-get", "H5"];

/// With meeting points: `replays::directed::H5::kref-open-close`. Racing: `replays::raced`.
pub fn trials() -> Vec<Trial> {
    let directed = DIRECTED.map(|(id, discipline)| {
        trial(format!("replays::directed::{id}::{discipline}"), move || {
            let scenario = scenario(id)?;
            let [first, again] = [observe(scenario, discipline)?, observe(scenario, discipline)?];
            ensure!(first == again, "{first} came out as {again}");
            Ok(())
        })
    });
    directed.into_iter().chain([trial("replays::raced", raced)]).collect()
}

fn scenario(id: &str) -> Result<Scenario> {
    SCENARIOS.into_iter().find(|scenario| scenario.id == id).context("no such scenario")
}

fn observe(scenario: Scenario, discipline: &'static str) -> Result<Id> {
    let seen = cells::observe(scenario, discipline, Detector::Mte, cells::LIMIT)?;
    let id = seen.observation().and_then(|seen| Id::of(&seen.cell)).context("the cell has no id")?;
    // As a reader types it.
    ensure!(id.to_string().parse::<Id>()? == id, "{id} is read as another");
    Ok(id)
}

/// Whether a find has an id at all depends on how fine it was, and the commonest are not fine.
fn raced() -> Result<()> {
    let guest = build::guest()?;
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| -> Result<End> {
        let machine = Machine::new(guest).cpus(race::CPUS).kernel_arguments(race::KERNEL_ARGUMENT);
        let command = ["/bin/lab"].iter().chain(cells).copied();
        machine.discipline(discipline).command(command).limit(Some(LIMIT)).run(sink)
    };
    let scenarios = RACED.iter().flat_map(|id| scenarios_named(id)).collect();
    let plan = Plan { scenarios, disciplines: vec!["kref"] };
    let races = race::race(&plan, Budget { rounds: 300, ms: 60_000, seed: 7 }, &boot, |_| ())?;
    let ids = races.cells.iter().filter_map(|tally| tally.id.as_ref()).map(|id| id.parse::<Id>());
    let ids = ids.collect::<Result<Vec<_>>>()?;
    ensure!(!ids.is_empty(), "no find has an id: {:#?}", races.cells);
    for id in ids {
        let survey = replay::replay(&id, &boot)?;
        let seen = replay::observed(&survey, &id).with_context(|| format!("{id}: {:?}", survey.faults))?;
        replay::compare(&id, &seen.cell).with_context(|| format!("{id}: {:#?}", seen.cell.steps))?;
        ensure!(seen.cell.verdict == "use-after-free", "{id}: {}", seen.cell.verdict);
    }
    Ok(())
}
