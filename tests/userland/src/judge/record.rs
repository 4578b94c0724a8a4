//! The record of a cell: one line of JSON for the launcher and the test runner.

use super::json::Json;
use super::{Counts, Ended, Judgement, Observation, Report, Verdict};
use alloc::string::{String, ToString};

/// All that is known about a cell.
pub struct Record<'a> {
    /// The cell's name.
    pub cell: &'a str,
    /// The discipline in force.
    pub discipline: &'a str,
    /// The verdict.
    pub judgement: &'a Judgement,
    /// What the scenario's file expects under this discipline; empty where it says nothing.
    pub expected: &'a str,
    /// How the scenario's process ended.
    pub ended: Ended,
    /// What the scenario wrote down.
    pub observation: &'a Observation,
    /// The reports of this cell.
    pub reports: &'a [Report],
    /// Of the racing form: where its delays started.
    pub seed: Option<u64>,
    /// The steps that were taken, a line each: an actor's number, and a place.
    pub steps: &'a str,
    /// The counts that differ.
    pub counts: &'a Counts,
    /// Where counts differ: the objects that were made meanwhile and still live, a line each.
    pub survivors: &'a str,
}

impl Record<'_> {
    /// Whether the verdict is what is expected. A race may also find nothing.
    fn is_met(&self) -> bool {
        let verdict = &self.judgement.verdict;
        verdict.meets(self.expected) || self.seed.is_some() && *verdict == Verdict::Ok
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        let mut text = String::new();
        let mut json = Json::object(&mut text);
        json.string("cell", self.cell)
            .string("discipline", self.discipline)
            .string("verdict", &self.judgement.verdict.to_string())
            .string("where", &self.judgement.place)
            .string("expected", self.expected)
            .truth("met", self.is_met())
            .string("ended", &self.ended.to_string());
        if let Some(conclusion) = &self.observation.conclusion {
            json.string("concluded", &conclusion.to_string());
        }
        json.strings("detail", self.observation.lines.iter().map(String::as_str))
            .strings("actors", self.observation.actors.iter().map(String::as_str))
            .strings("steps", self.steps.lines())
            .strings("reports", self.reports.iter().map(|report| report.line.as_str()))
            .numbers("counts", self.counts.iter().map(|(name, by)| (name.as_str(), *by)));
        if let Some(seed) = self.seed {
            let (rounds, ns) = self.observation.rounds.unwrap_or_default();
            let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            json.numbers("race", [("rounds", number(rounds)), ("ns", number(ns)), ("seed", number(seed))]);
        }
        if !self.survivors.is_empty() {
            json.strings("survivors", self.survivors.lines());
        }
        json.end();
        text
    }
}

/// The line that says no further cell runs on this machine, and how many did.
pub fn tainted(cells: usize) -> String {
    let mut text = String::new();
    let mut json = Json::object(&mut text);
    json.truth("tainted", true).number("done", cells as i64);
    json.end();
    text
}

/// The line that says all cells ran, and how many.
pub fn done(cells: usize) -> String {
    let mut text = String::new();
    let mut json = Json::object(&mut text);
    json.number("done", cells as i64);
    json.end();
    text
}

#[cfg(test)]
mod tests {
    use super::super::{counts, report};
    use super::*;
    use crate::rt::Status;

    #[test]
    fn a_record_is_one_line_with_everything() {
        let observation =
            Observation::parse("race 5 700\nactor user\nstep open \"x\" -> fd 3\nconclude ok fine\n");
        let record = Record {
            cell: "H1",
            discipline: "kref",
            judgement: &Judgement { verdict: Verdict::UseAfterFree, place: "pc=[<1>]".into() },
            expected: "use-after-free",
            ended: Ended::By(Status::Killed(9)),
            observation: &observation,
            reports: &report::parse("1 use-after-free pc=[<1>] pid=2 comm=s"),
            seed: Some(9),
            steps: "0 open\n1 report\n",
            counts: &counts::parse("heaps 1"),
            survivors: "dma_heap of 8 bytes",
        };
        assert_eq!(
            record.line(),
            concat!(
                r#"{"cell":"H1","discipline":"kref","verdict":"use-after-free","where":"pc=[<1>]","#,
                r#""expected":"use-after-free","met":true,"ended":"signal 9","concluded":"ok fine","#,
                r#""detail":["open \"x\" -> fd 3","conclude ok fine"],"#,
                r#""actors":["user"],"steps":["0 open","1 report"],"reports":["1 use-after-free pc=[<1>] pid=2 comm=s"],"counts":{"heaps":1},"race":{"rounds":5,"ns":700,"seed":9},"#,
                r#""survivors":["dma_heap of 8 bytes"]}"#
            )
        );
        assert_eq!(tainted(2), r#"{"tainted":true,"done":2}"#);
        assert_eq!(done(3), r#"{"done":3}"#);
    }
}
