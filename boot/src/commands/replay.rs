//! `demo --replay ID`: a verdict once more, from the same order of steps.

use std::time::Duration;

use anyhow::Result;

use crate::cli::Options;
use crate::machine::Event;
use crate::plan::Scenario;
use crate::replay::{self, Id};
use crate::terminal::{Style, say};
use crate::{build, interrupt, race};

/// How long the machine may take, unless the options say otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// Plays what `id` stands for; `scenarios` are those that were named beside it, if any were. The status is 0 when order
/// and verdict came out as the id says, 2 when it is another scenario's or discipline's.
pub fn run(options: &Options, scenarios: Option<&[Scenario]>, id: &Id) -> Result<u8> {
    let other_scenario = scenarios.is_some_and(|named| !named.contains(&id.scenario));
    let other_discipline = options.discipline.as_deref().is_some_and(|named| named != id.discipline);
    if other_scenario || other_discipline {
        eprintln!("lastref: that id is of {} under {}", id.scenario.id, id.discipline);
        return Ok(2);
    }
    let survey = play(options, id)?;
    survey.faults.iter().for_each(|fault| eprintln!("lastref: {fault}"));
    let Some(seen) = replay::observed(&survey, id) else { return Ok(1) };
    if options.json {
        say(&(serde_json::to_string_pretty(seen)? + "\n"))?;
    } else {
        let mut text =
            super::demo::tell_one(&id.scenario, seen, Style::of_stdout()).trim_end().to_owned() + "\n";
        text += "  the order of steps:\n";
        for step in replay::told(&seen.cell.steps) {
            text += &format!("    {}\n", named(step, &seen.cell.actors));
        }
        say(&text)?;
    }
    match replay::compare(id, &seen.cell) {
        Ok(()) => {
            eprintln!("lastref: the same verdict from the same order of {} steps", id.steps());
            Ok(0)
        }
        Err(other) => {
            eprintln!("lastref: {other:#}");
            Ok(1)
        }
    }
}

/// A step with its process' name in place of the number.
fn named(step: &str, actors: &[String]) -> String {
    let named = step.split_once(' ').and_then(|(number, place)| {
        let who = actors.get(number.parse::<usize>().ok()?)?;
        Some(format!("{who}: {place}"))
    });
    named.unwrap_or_else(|| step.into())
}

fn play(options: &Options, id: &Id) -> Result<crate::lab::Survey> {
    let guest = build::guest_with(options.detector)?;
    interrupt::watch()?;
    let (cpus, argument) = if id.racing { (race::CPUS, race::KERNEL_ARGUMENT) } else { (1, "") };
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        super::machine(guest, options)
            .kernel_arguments(argument)
            .cpus(options.smp.unwrap_or(cpus))
            .discipline(discipline)
            .command(["/bin/lab"].iter().chain(cells).copied())
            .limit(Some(options.timeout.unwrap_or(LIMIT)))
            .run(|event| {
                if let (true, Event::Log { line, .. }) = (options.verbose, &event) {
                    eprintln!("{discipline}: {line}");
                }
                sink(event);
            })
    };
    replay::replay(id, &boot)
}
