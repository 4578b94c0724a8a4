//! The matrix, cell by cell: a scenario under a discipline on a machine of its own, held to the verdict that
//! the scenario's file expects. The launcher's survey observes; what it saw is judged here.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lastref::detector::Detector;
use lastref::lab::{self, Observation, Survey};
use lastref::plan::{DISCIPLINES, Plan, SCENARIOS, Scenario};
use lastref::{Event, Machine, build};
use libtest_mimic::Trial;
use userland::scenarios;

use crate::transcript::Transcript;
use crate::trial;

/// How long a machine may take for its one cell.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One trial a cell: `cell::H1::kref`.
pub fn trials() -> Vec<Trial> {
    let cells = SCENARIOS.iter().flat_map(|scenario| DISCIPLINES.map(|discipline| (*scenario, discipline)));
    cells.map(|(scenario, discipline)| cell(scenario, discipline)).collect()
}

fn cell(scenario: Scenario, discipline: &'static str) -> Trial {
    trial(format!("cell::{}::{discipline}", scenario.id), move || hold(scenario, discipline, Detector::Mte))
}

/// Holds a cell, under a detector, to what its scenario's file expects.
///
/// # Errors
/// Where it is not so, or nothing could be observed.
pub fn hold(scenario: Scenario, discipline: &'static str, detector: Detector) -> Result<()> {
    let seen = observe(scenario, discipline, detector, LIMIT)?;
    let expected = expected(scenario.id, discipline)?;
    seen.judge(expected).map_err(|failure| seen.explain(&failure))
}

/// What the scenario's file expects under `discipline`.
pub fn expected(id: &str, discipline: &str) -> Result<&'static str> {
    let scenario = scenarios::find(id).with_context(|| format!("there is no scenario {id}"))?;
    scenario.expected.under(discipline).with_context(|| format!("{id} expects nothing under {discipline}"))
}

/// What was seen of one cell.
pub struct Seen {
    cell: (&'static str, &'static str),
    survey: Survey,
    transcript: Transcript,
}

/// Why a cell is not as it was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The verdict is another.
    Verdict {
        /// What was expected.
        expected: String,
        /// What was observed.
        observed: String,
    },
    /// The machine never reported the cell; the survey's word for that, and its reasons.
    Lost(String, Vec<String>),
    /// The machine failed otherwise.
    Fault(Vec<String>),
    /// The verdict does not follow from the evidence that came with it.
    Unfounded(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Verdict { expected, observed } => write!(f, "expected {expected}, observed {observed}"),
            Failure::Lost(word, faults) => write!(f, "not reported, {word}: {}", faults.join("; ")),
            Failure::Fault(faults) => write!(f, "the machine failed: {}", faults.join("; ")),
            Failure::Unfounded(why) => write!(f, "the verdict is unfounded: {why}"),
        }
    }
}

/// Has one cell observed on a machine that is given `limit`.
///
/// # Errors
/// Where no machine could be booted, or somebody interrupted it.
pub fn observe(
    scenario: Scenario,
    discipline: &'static str,
    detector: Detector,
    limit: Duration,
) -> Result<Seen> {
    let guest = build::guest_with(detector)?;
    let transcript = Mutex::new(Transcript::default());
    let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        let mut transcript = transcript.lock().expect("no observer panics");
        let command = ["/bin/lab"].iter().chain(cells).copied();
        let machine = Machine::new(guest).discipline(discipline).command(command).limit(Some(limit));
        let end = machine.run(|event| {
            transcript.note(&event);
            sink(event);
        })?;
        transcript.end(end);
        Ok(end)
    };
    let plan = Plan { scenarios: vec![scenario], disciplines: vec![discipline] };
    let survey = lab::survey(&plan, &boot, |_, _| ())?;
    let transcript = transcript.into_inner().expect("no observer panics");
    Ok(Seen { cell: (scenario.id, discipline), survey, transcript })
}

impl Seen {
    /// The cell's observation, if the survey has one.
    pub fn observation(&self) -> Option<&Observation> {
        self.survey.find(self.cell.0, self.cell.1)
    }

    /// Holds what was seen to `expected`.
    ///
    /// # Errors
    /// Whatever makes it another thing.
    pub fn judge(&self, expected: &str) -> Result<(), Failure> {
        let faults = || self.survey.faults.clone();
        let Some(seen) = self.observation() else { return Err(Failure::Lost("no record".into(), faults())) };
        if seen.lost {
            return Err(Failure::Lost(seen.cell.verdict.clone(), faults()));
        }
        if !self.survey.is_whole() {
            return Err(Failure::Fault(faults()));
        }
        evidence(seen)?;
        let observed = &seen.cell.verdict;
        match meets(observed, expected) {
            true => Ok(()),
            false => Err(Failure::Verdict { expected: expected.into(), observed: observed.clone() }),
        }
    }

    /// A failure with the cell's name before it and the transcript after it.
    pub fn explain(&self, failure: &impl fmt::Display) -> anyhow::Error {
        let (id, discipline) = self.cell;
        anyhow::anyhow!("{id} under {discipline}: {failure}\n{}", self.transcript.shown())
    }
}

/// Whether a verdict is the expected one: the whole text, or its word where only that is expected.
pub fn meets(observed: &str, expected: &str) -> bool {
    observed == expected || word(observed) == expected
}

/// A verdict without its particulars.
pub fn word(verdict: &str) -> &str {
    verdict.split('(').next().unwrap_or_default()
}

/// Whether a verdict is made of a report.
fn is_reported(word: &str) -> bool {
    const REPORTED: [&str; 9] = [
        "use-after-free",
        "use-after-unload",
        "out-of-bounds",
        "invalid-free",
        "refcount",
        "deadlock",
        "frame-state",
        "device-fault",
        "oops",
    ];
    REPORTED.contains(&word)
}

/// Checks that a verdict comes with what it was made of.
fn evidence(seen: &Observation) -> Result<(), Failure> {
    let cell = &seen.cell;
    let reported = !cell.reports.is_empty();
    let complaint = match word(&cell.verdict) {
        word if is_reported(word) && !reported => "no report",
        word if is_reported(word) && seen.log.is_empty() => "a report that the kernel's log does not show",
        "ok" | "refused" | "leak" | "zombie" | "wrong-heap" if reported || !seen.log.is_empty() => {
            "there is a report"
        }
        "leak" if cell.counts.is_empty() => "no count differs",
        "ok" if !cell.counts.is_empty() => "counts differ",
        "ok" | "refused" | "zombie" | "wrong-heap" if cell.concluded.is_empty() => "nothing was concluded",
        _ if cell.detail.is_empty() && !cell.verdict.starts_with("failed") => "no step was taken",
        _ => return Ok(()),
    };
    Err(Failure::Unfounded(format!("{}, and {complaint}", cell.verdict)))
}

/// Checks that the launcher's plan and the userland's scenarios are the same, in name and order.
///
/// # Errors
/// The first difference.
pub fn same_scenarios() -> Result<()> {
    let mut hazards = scenarios::ALL.iter().filter(|scenario| !scenario.id.starts_with("canary-"));
    for planned in SCENARIOS {
        match hazards.next() {
            Some(played) if played.id == planned.id => {}
            other => bail!("the launcher plans {}, the userland has {:?}", planned.id, other.map(|s| s.id)),
        }
    }
    match hazards.next() {
        Some(unplanned) => bail!("the launcher does not plan {}", unplanned.id),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastref::records::Cell;

    const H1: Scenario = SCENARIOS[0];

    fn seen(verdict: &str, change: impl FnOnce(&mut Survey)) -> Seen {
        let cell = Cell {
            cell: "H1".into(),
            discipline: "kref".into(),
            verdict: verdict.into(),
            concluded: "ok".into(),
            detail: vec!["open -> fd 3".into()],
            ..Cell::default()
        };
        let observation = Observation { cell, ..Observation::default() };
        let mut survey = Survey { planned: 1, cells: vec![observation], faults: Vec::new() };
        change(&mut survey);
        Seen { cell: (H1.id, "kref"), survey, transcript: Transcript::default() }
    }

    #[test]
    fn launcher_and_userland_know_the_same_scenarios() {
        same_scenarios().unwrap();
    }

    #[test]
    fn every_cell_has_an_expectation() {
        for scenario in SCENARIOS {
            for discipline in DISCIPLINES {
                expected(scenario.id, discipline).unwrap();
            }
        }
        assert!(expected("H99", "kref").is_err() && expected("H1", "mine").is_err());
    }

    #[test]
    fn a_changed_verdict_fails_with_both() {
        assert_eq!(seen("ok", |_| ()).judge("ok"), Ok(()));
        assert_eq!(seen("refused(EBUSY)", |_| ()).judge("refused"), Ok(()));
        let failure = seen("ok", |_| ()).judge("use-after-free").unwrap_err();
        assert_eq!(failure.to_string(), "expected use-after-free, observed ok");
        let other_errno = seen("refused(EPERM)", |_| ()).judge("refused(EBUSY)").unwrap_err();
        assert!(matches!(other_errno, Failure::Verdict { .. }));
    }

    #[test]
    fn lost_cells_and_failing_machines_are_never_as_expected() {
        let none = seen("ok", |survey| survey.cells.clear());
        assert!(matches!(none.judge("ok"), Err(Failure::Lost(..))));
        let lost = seen("crash", |survey| survey.cells[0].lost = true);
        assert!(matches!(lost.judge("crash"), Err(Failure::Lost(..))));
        let fault = seen("ok", |survey| survey.faults.push("panicked after its last cell".into()));
        assert!(matches!(fault.judge("ok"), Err(Failure::Fault(_))));
    }

    #[test]
    fn a_verdict_without_its_evidence_is_unfounded() {
        let unfounded = |seen: Seen, expected| matches!(seen.judge(expected), Err(Failure::Unfounded(_)));
        assert!(unfounded(seen("use-after-free", |_| ()), "use-after-free"));
        assert!(unfounded(
            seen("use-after-free", |s| s.cells[0].cell.reports.push("1 use-after-free".into())),
            "use-after-free"
        ));
        assert!(unfounded(seen("ok", |s| s.cells[0].log = "BUG".into()), "ok"));
        assert!(unfounded(seen("ok", |s| s.cells[0].cell.counts.extend([("heaps".into(), 1)])), "ok"));
        assert!(unfounded(seen("ok", |s| s.cells[0].cell.concluded.clear()), "ok"));
        assert!(unfounded(seen("leak(heaps, 8 B)", |_| ()), "leak"));
        assert!(unfounded(seen("hang", |s| s.cells[0].cell.detail.clear()), "hang"));
    }
}
