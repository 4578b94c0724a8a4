//! Has every cell of a plan observed: one machine per discipline, another one for what is left after
//! a cell that changed the machine, two at a time.
//!
//! No verdict comes from a machine that cannot see a use after free: its kernel has to say that its
//! memory tags are exact.
//!
//! No cell is ever lost in silence. One that its machine did not report is a `crash` or a `hang`, and
//! what went wrong is told as a fault. So is a detection report that no record owns up to: between two
//! cells, or after the last, the lab does not look.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::machine::{End, Event};
use crate::plan::Plan;
use crate::records::{Cell, Record};
use crate::replay;
use crate::report::Tags;
use crate::version::LEAST_QEMU;

/// How many machines run at once.
const MACHINES: usize = 2;

/// A cell and what the kernel said while it was observed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Observation {
    /// The lab's record, or one made up for a cell that was lost.
    #[serde(flatten)]
    pub cell: Cell,
    /// The detection reports and panics, addresses named.
    pub log: String,
    /// Whether the machine never reported it.
    pub lost: bool,
    /// What it can be played again by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// All that was observed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Survey {
    /// How many cells were asked for.
    pub planned: usize,
    /// The cells, in no particular order.
    pub cells: Vec<Observation>,
    /// What went wrong with the machines.
    pub faults: Vec<String>,
}

impl Survey {
    /// Whether every cell was observed and no machine failed.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.cells.len() == self.planned && self.cells.iter().all(|cell| !cell.lost)
    }

    /// The cells that were observed, and are not what the scenario's file expects of them.
    pub fn unexpected(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|seen| !seen.lost && !seen.cell.met).map(|seen| &seen.cell)
    }

    /// The observation of one scenario under one discipline.
    pub fn find(&self, id: &str, discipline: &str) -> Option<&Observation> {
        self.cells.iter().find(|observation| {
            let Cell { cell, discipline: under, .. } = &observation.cell;
            cell == id && under == discipline
        })
    }
}

/// Boots a machine under a discipline that runs the lab on these cells, and lets us listen.
pub trait Boot: Sync {
    /// Returns when the machine has ended.
    fn boot(&self, discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)) -> Result<End>;
}

impl<F> Boot for F
where
    F: Fn(&str, &[&str], &mut dyn FnMut(Event<'_>)) -> Result<End> + Sync,
{
    fn boot(&self, discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)) -> Result<End> {
        self(discipline, cells, sink)
    }
}

/// Observes every cell of `plan`. `noted` hears of each cell as it comes, with the number so far.
pub fn survey(plan: &Plan, boot: &impl Boot, noted: impl Fn(usize, &Cell) + Sync) -> Result<Survey> {
    let disciplines = Mutex::new(VecDeque::from(plan.disciplines.clone()));
    let survey = Mutex::new(Survey { planned: plan.cells(), ..Survey::default() });
    let note = |observation: Observation| {
        let mut survey = survey.lock().expect("no observer panics");
        noted(survey.cells.len() + 1, &observation.cell);
        survey.cells.push(observation);
    };
    let fault = |text: String| survey.lock().expect("no observer panics").faults.push(text);
    let work = || -> Result<()> {
        loop {
            let next = disciplines.lock().expect("no observer panics").pop_front();
            let Some(discipline) = next else { return Ok(()) };
            let cells = plan.scenarios.iter().map(|scenario| scenario.id).collect();
            let result = Discipline { name: discipline, boot, note: &note, fault: &fault }.observe(cells);
            if result.is_err() {
                disciplines.lock().expect("no observer panics").clear();
                return result;
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..MACHINES).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no observer panics"))
    })?;
    Ok(survey.into_inner().expect("no observer panics"))
}

/// The observation of all cells under one discipline.
struct Discipline<'a, B> {
    name: &'a str,
    boot: &'a B,
    note: &'a dyn Fn(Observation),
    fault: &'a dyn Fn(String),
}

impl<B: Boot> Discipline<'_, B> {
    /// Boots machines until each of the cells is observed or lost. Every machine settles one at least.
    fn observe(&self, mut cells: Vec<&str>) -> Result<()> {
        while !cells.is_empty() {
            let before = cells.len();
            let (mut log, mut tags) = (String::new(), None);
            let (mut tainted, mut done) = (false, None);
            let end = self.boot.boot(self.name, &cells.clone(), &mut |event| match event {
                Event::Log { line, report: true } => log.extend([line, "\n"]),
                Event::Log { line, .. } => tags = tags.or(Tags::from_line(line)),
                Event::Record(Record::Cell(cell)) => {
                    self.take(*cell, &mut cells, std::mem::take(&mut log));
                }
                Event::Record(Record::Tainted { done: count, .. }) => (tainted, done) = (true, count),
                Event::Record(Record::Done { done: count }) => done = Some(count),
                _ => {}
            })?;
            let reported = before - cells.len();
            trust(tags, reported)?;
            if let End::Interrupted(signal) = end {
                bail!("interrupted by signal {signal}");
            }
            if let Some(count) = done.filter(|&count| count != reported) {
                (self.fault)(format!(
                    "{}: the lab counts {count} cells, {reported} were reported",
                    self.name
                ));
            }
            let orderly = end == End::Status(0);
            let expected_to_stop = tainted && reported > 0 && orderly;
            if !cells.is_empty() && !expected_to_stop {
                self.lose(cells.remove(0), end, log);
                continue;
            }
            if !orderly {
                (self.fault)(format!("{}: the machine {} after its last cell", self.name, describe(end)));
            }
            if done.is_none() {
                (self.fault)(format!("{}: the lab did not say that it was done", self.name));
            }
            if !log.is_empty() {
                (self.fault)(format!("{}: the kernel reported this after the last cell:\n{log}", self.name));
            }
        }
        Ok(())
    }

    /// Takes a record, if it is of a cell that is still to be observed.
    fn take(&self, cell: Cell, cells: &mut Vec<&str>, log: String) {
        let place = cells.iter().position(|&id| id == cell.cell && cell.discipline == self.name);
        match place {
            Some(place) => {
                cells.remove(place);
                if cell.reports.is_empty() != log.is_empty() {
                    (self.fault)(format!(
                        "{}: {} has {} reports, the kernel's log {} lines of them",
                        self.name,
                        cell.cell,
                        cell.reports.len(),
                        log.lines().count()
                    ));
                }
                let id = replay::Id::of(&cell).filter(|id| !id.racing).map(|id| id.to_string());
                (self.note)(Observation { cell, log, lost: false, id });
            }
            None => (self.fault)(format!(
                "{}: a record of {} under {} that was not asked for",
                self.name, cell.cell, cell.discipline
            )),
        }
    }

    fn lose(&self, id: &str, end: End, log: String) {
        let verdict = if end == End::TimedOut { "hang" } else { "crash" };
        (self.fault)(format!("{}: {id} was not reported: the machine {}", self.name, describe(end)));
        let (cell, discipline, verdict) = (id.to_owned(), self.name.to_owned(), verdict.to_owned());
        let cell = Cell { cell, discipline, verdict, ..Cell::default() };
        (self.note)(Observation { cell, log, lost: true, id: None });
    }
}

/// Refuses what a machine reported that may have missed a use after free.
fn trust(tags: Option<Tags>, reported: usize) -> Result<()> {
    let objection = match tags {
        Some(tags) => tags.objection(),
        None if reported > 0 => Some("its kernel did not say whether its memory tags work"),
        None => None, // it never came that far, which is told as what it is
    };
    match objection {
        None => Ok(()),
        Some(objection) => bail!(
            "no verdict of this machine can be trusted: {objection}, so that a use after free goes unseen; \
             QEMU {LEAST_QEMU} or later with -machine virt,mte=on has working ones (cargo run -- doctor)"
        ),
    }
}

fn describe(end: End) -> String {
    match end {
        End::Status(101) => "panicked".into(),
        End::Status(status) => format!("ended with status {status}"),
        End::TimedOut => "did not end in time".into(),
        End::Interrupted(signal) => format!("was interrupted by signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::scenarios_named;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn plan(disciplines: &[&'static str]) -> Plan {
        let scenarios = ["H1", "H4", "H5"].iter().flat_map(|id| scenarios_named(id)).collect();
        Plan { scenarios, disciplines: disciplines.to_vec() }
    }

    fn say(sink: &mut dyn FnMut(Event<'_>), line: &str) {
        sink(Event::Log { line, report: false });
    }

    fn report(sink: &mut dyn FnMut(Event<'_>), id: &str, discipline: &str, verdict: &str) {
        say(sink, "memory tags: exact");
        let reports = if verdict == "use-after-free" { vec!["1 use-after-free".into()] } else { Vec::new() };
        let (cell, discipline, verdict) = (id.into(), discipline.into(), verdict.into());
        let met = verdict != "zombie";
        let cell = Cell { cell, discipline, verdict, reports, met, ..Cell::default() };
        sink(Event::Record(Record::Cell(Box::new(cell))));
    }

    fn verdicts(survey: &Survey, discipline: &str) -> Vec<String> {
        let verdict = |id| survey.find(id, discipline).unwrap().cell.verdict.clone();
        ["H1", "H4", "H5"].map(verdict).to_vec()
    }

    #[test]
    fn a_tainted_machine_is_followed_by_another() {
        let boots = AtomicUsize::new(0);
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            boots.fetch_add(1, Ordering::Relaxed);
            sink(Event::Log { line: "BUG", report: true });
            report(sink, cells[0], discipline, "use-after-free");
            sink(Event::Record(Record::Tainted { tainted: true, done: Some(1) }));
            Ok(End::Status(0))
        };
        let survey = survey(&plan(&["kref", "lastref"]), &boot, |_, _| ()).unwrap();
        assert!(survey.is_whole(), "{:?}", survey.faults);
        assert_eq!((survey.cells.len(), boots.into_inner()), (6, 6));
        assert_eq!(survey.find("H5", "kref").unwrap().log, "BUG\n");
    }

    #[test]
    fn a_crash_and_a_hang_each_cost_their_cell_alone() {
        for (end, verdict) in [(End::Status(101), "crash"), (End::TimedOut, "hang")] {
            let boot = move |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
                for id in cells {
                    if *id == "H4" {
                        return Ok(end);
                    }
                    report(sink, id, discipline, "ok");
                }
                sink(Event::Record(Record::Done { done: cells.len() }));
                Ok(End::Status(0))
            };
            let survey = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap();
            assert_eq!(verdicts(&survey, "kref"), ["ok", verdict, "ok"]);
            assert_eq!((survey.faults.len(), survey.is_whole()), (1, false));
        }
    }

    #[test]
    fn a_machine_that_says_nothing_loses_every_cell_once() {
        let boot = |_: &str, _: &[&str], _: &mut dyn FnMut(Event<'_>)| Ok(End::Status(0));
        let survey = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap();
        assert_eq!(verdicts(&survey, "kref"), ["crash"; 3]);
        assert_eq!(survey.faults.len(), 3);
    }

    #[test]
    fn records_nobody_asked_for_are_faults() {
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            cells.iter().for_each(|id| report(sink, id, discipline, "ok"));
            report(sink, "H1", discipline, "ok");
            report(sink, "H99", discipline, "ok");
            sink(Event::Record(Record::Done { done: 5 }));
            Ok(End::Status(0))
        };
        let survey = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap();
        assert_eq!((survey.cells.len(), survey.faults.len(), survey.is_whole()), (3, 3, false));
    }

    #[test]
    fn a_report_that_no_record_owns_up_to_is_a_fault() {
        // Which cell the log shows a report before; 3 is after the last.
        for (place, says) in
            [(0, "H1 has 0 reports"), (2, "H5 has 0 reports"), (3, "after the last cell:\nBUG")]
        {
            let boot = move |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
                for at in 0..=cells.len() {
                    if at == place {
                        sink(Event::Log { line: "BUG", report: true });
                    }
                    cells.get(at).into_iter().for_each(|id| report(sink, id, discipline, "ok"));
                }
                sink(Event::Record(Record::Done { done: cells.len() }));
                Ok(End::Status(0))
            };
            let survey = survey(&plan(&["lastref"]), &boot, |_, _| ()).unwrap();
            assert_eq!((survey.cells.len(), survey.faults.len()), (3, 1), "{:?}", survey.faults);
            assert!(survey.faults[0].contains(says) && !survey.is_whole(), "{:?}", survey.faults);
        }
        // And the other way round: a record of reports that the log does not show.
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            cells.iter().for_each(|id| report(sink, id, discipline, "use-after-free"));
            sink(Event::Record(Record::Done { done: cells.len() }));
            Ok(End::Status(0))
        };
        assert_eq!(survey(&plan(&["lastref"]), &boot, |_, _| ()).unwrap().faults.len(), 3);
    }

    #[test]
    fn what_was_not_expected_is_told_from_what_was_lost() {
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            if cells[0] == "H5" {
                return Ok(End::Status(101));
            }
            report(sink, cells[0], discipline, if cells[0] == "H4" { "zombie" } else { "ok" });
            sink(Event::Record(Record::Tainted { tainted: true, done: Some(1) }));
            Ok(End::Status(0))
        };
        let survey = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap();
        assert_eq!(verdicts(&survey, "kref"), ["ok", "zombie", "crash"]);
        let unexpected: Vec<_> = survey.unexpected().map(|cell| cell.cell.as_str()).collect();
        assert_eq!((unexpected, survey.is_whole()), (vec!["H4"], false));
    }

    #[test]
    fn a_lab_that_does_not_say_it_is_done_is_a_fault() {
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            cells.iter().for_each(|id| report(sink, id, discipline, "ok"));
            Ok(End::Status(0))
        };
        let survey = survey(&plan(&["lastref"]), &boot, |_, _| ()).unwrap();
        assert_eq!(survey.faults, ["lastref: the lab did not say that it was done"]);
    }

    #[test]
    fn a_crash_after_the_last_cell_is_told() {
        let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
            cells.iter().for_each(|id| report(sink, id, discipline, "ok"));
            sink(Event::Record(Record::Done { done: cells.len() }));
            Ok(End::Status(101))
        };
        let survey = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap();
        assert_eq!(survey.faults, ["kref: the machine panicked after its last cell"]);
    }

    #[test]
    fn a_machine_that_sees_no_use_after_free_is_not_believed() {
        for (line, says) in [
            ("memory tags: broken (per page)", "broken (per page)"),
            ("memory tags: none", "no memory tags"),
            ("", "did not say"),
        ] {
            let boot = |discipline: &str, cells: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
                say(sink, line);
                let (cell, discipline, verdict) = (cells[0].into(), discipline.into(), "ok".into());
                let cell = Cell { cell, discipline, verdict, ..Cell::default() };
                sink(Event::Record(Record::Cell(Box::new(cell))));
                Ok(End::Status(0))
            };
            let error = survey(&plan(&["kref"]), &boot, |_, _| ()).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("QEMU 8.0"), "{error}");
        }
    }

    #[test]
    fn the_result_for_machines_keeps_its_shape() {
        let cell = Cell {
            cell: "H1".into(),
            discipline: "kref".into(),
            verdict: "leak(heaps, 8 B)".into(),
            expected: "leak".into(),
            met: true,
            steps: vec!["0 open".into()],
            counts: [("heaps".into(), 1)].into(),
            ..Cell::default()
        };
        let seen = Observation { cell, id: Some("H1.kref.d-a-1".into()), ..Observation::default() };
        let survey = Survey { planned: 1, cells: vec![seen], faults: vec!["x".into()] };
        let json = serde_json::to_string(&survey).unwrap();
        let cell =
            r#"{"cell":"H1","discipline":"kref","verdict":"leak(heaps, 8 B)","expected":"leak","met":true,"#;
        let lists = r#""detail":[],"actors":[],"steps":["0 open"],"reports":[],"counts":{"heaps":1},"#;
        let rest = r#""log":"","lost":false,"id":"H1.kref.d-a-1"}],"faults":["x"]}"#;
        assert_eq!(json, format!(r#"{{"planned":1,"cells":[{cell}{lists}{rest}"#));
    }

    #[test]
    fn an_error_ends_the_survey() {
        let boot = |_: &str, _: &[&str], _: &mut dyn FnMut(Event<'_>)| bail!("no QEMU");
        assert!(survey(&plan(&["kref", "lastref", "upstream"]), &boot, |_, _| ()).is_err());
    }
}
