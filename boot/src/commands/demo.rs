//! `demo`: the verdict matrix, or one scenario told step by step.

use std::time::Duration;

use anyhow::Result;

use crate::cli::Options;
use crate::lab::{self, Observation, Survey};
use crate::machine::Event;
use crate::matrix::{self, colour};
use crate::plan::{DISCIPLINES, Plan, Scenario};
use crate::records::Cell;
use crate::terminal::{Colour, Progress, Style, say};
use crate::{build, interrupt};

/// How long one machine may take for all its cells, unless the options say otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// The cell whose full report is printed below the matrix.
const SHOWN: (&str, &str) = ("H1", "kref");

/// Prints the matrix of `scenarios`; the status is 0 when every cell was observed, and is as expected.
pub fn matrix(options: &Options, scenarios: Vec<Scenario>) -> Result<u8> {
    let plan = plan(options, scenarios);
    let survey = survey(&plan, options)?;
    if !options.json {
        let style = Style::of_stdout();
        let mut text = matrix::draw(&plan, &survey, style);
        if let Some(shown) = survey.find(SHOWN.0, SHOWN.1).filter(|shown| !shown.log.is_empty()) {
            let heading = format!("{} under {}, as the kernel reports it:", SHOWN.0, SHOWN.1);
            text += &format!("\n{}\n{}\n", style.paint(Colour::Bold, &heading), shown.log.trim_end());
        }
        say(&text)?;
    }
    conclude(&survey, options)
}

/// Tells what happened in `scenarios` under each discipline; the status is as [`matrix`]'s.
pub fn tell(options: &Options, scenarios: Vec<Scenario>) -> Result<u8> {
    let plan = plan(options, scenarios);
    let survey = survey(&plan, options)?;
    if !options.json {
        let style = Style::of_stdout();
        for scenario in &plan.scenarios {
            for observation in plan.disciplines.iter().filter_map(|name| survey.find(scenario.id, name)) {
                say(&tell_one(scenario, observation, style))?;
            }
        }
    }
    conclude(&survey, options)
}

pub(super) fn tell_one(scenario: &Scenario, observation: &Observation, style: Style) -> String {
    let cell = &observation.cell;
    let heading = format!("{} {} under {}", scenario.id, scenario.hazard, cell.discipline);
    let mut text = style.paint(Colour::Bold, &heading) + "\n";
    for (number, step) in cell.detail.iter().enumerate() {
        text += &format!("  {}. {step}\n", number + 1);
    }
    for (name, difference) in &cell.counts {
        text += &format!("  {name}: {difference:+}\n");
    }
    if !cell.concluded.is_empty() {
        text += &format!("  the scenario concludes: {}\n", cell.concluded);
    }
    if let Some(id) = &observation.id {
        text += &format!("  id: {id}\n");
    }
    text += &format!("  verdict: {}\n", style.paint(colour(&cell.verdict), &cell.verdict));
    if let Some(place) = cell.place.as_deref().filter(|place| !place.is_empty()) {
        text += &format!("  where: {}\n", place.replace('\n', "\n  "));
    }
    observation.log.lines().for_each(|line| text += &format!("  {line}\n"));
    text + "\n"
}

pub(super) fn plan(options: &Options, scenarios: Vec<Scenario>) -> Plan {
    let chosen = |name: &&str| options.discipline.as_deref().is_none_or(|discipline| discipline == *name);
    Plan { scenarios, disciplines: DISCIPLINES.into_iter().filter(chosen).collect() }
}

fn survey(plan: &Plan, options: &Options) -> Result<Survey> {
    let guest = build::guest_with(options.detector)?;
    interrupt::watch()?;
    let progress = Progress::new();
    progress.show("booting");
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        let command = ["/bin/lab"].iter().chain(cells).copied();
        super::machine(guest, options)
            .discipline(discipline)
            .command(command)
            .limit(Some(options.timeout.unwrap_or(LIMIT)))
            .run(|event| {
                if let (true, Event::Log { line, .. }) = (options.verbose, &event) {
                    eprintln!("{discipline}: {line}");
                }
                sink(event);
            })
    };
    let total = plan.cells();
    lab::survey(plan, &boot, |count, cell| {
        progress.show(&format!("{count}/{total} cells, {} under {}", cell.cell, cell.discipline));
    })
}

fn conclude(survey: &Survey, options: &Options) -> Result<u8> {
    if options.json {
        say(&(serde_json::to_string_pretty(survey)? + "\n"))?;
    }
    for Cell { cell, discipline, verdict, expected, .. } in survey.unexpected() {
        let expected = if expected.is_empty() { "nothing" } else { expected };
        eprintln!("lastref: {cell} under {discipline}: {verdict}, though {expected} was expected");
    }
    survey.faults.iter().for_each(|fault| eprintln!("lastref: {fault}"));
    let lost = survey.cells.iter().filter(|cell| cell.lost).count();
    if survey.cells.len() - lost != survey.planned {
        eprintln!("lastref: {} cells were planned, {} observed", survey.planned, survey.cells.len() - lost);
    }
    Ok(u8::from(!survey.is_whole() || survey.unexpected().next().is_some()))
}
