//! The other detector: the kernel whose accesses the compiler has checked comes to the same verdicts.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use lastref::detector::Detector;
use lastref::plan::SCENARIOS;
use lastref::{Machine, Outcome, build};
use libtest_mimic::Trial;

use crate::{canaries, cells, ktap, transcript, trial};

/// Cells of every kind of verdict that a detector has a part in, and sound ones of the longest ways.
const CELLS: [(&str, &str); 12] = [
    ("H1", "kref"),
    ("H1", "lastref"),
    ("H2", "kref-open-close"),
    ("H3-get", "kref"),
    ("H5", "kref-full"),
    ("H5", "lastref"),
    ("H6-minor", "lastref"),
    ("H8", "kref-open"),
    ("H10-fork", "lastref"),
    ("H12", "kref"),
    ("H14", "kref"),
    ("H15-info", "kref"),
];

/// `kasan::cell::SCENARIO::DISCIPLINE`, `kasan::canary::NAME`, and the tests inside the kernel: `kasan::ktap`.
pub fn trials() -> Vec<Trial> {
    let cells = CELLS.map(|(id, discipline)| {
        trial(format!("kasan::cell::{id}::{discipline}"), move || {
            let scenario = SCENARIOS.iter().find(|scenario| scenario.id == id);
            cells::hold(*scenario.context("no such scenario")?, discipline, Detector::Kasan)
        })
    });
    let ktap = trial("kasan::ktap", || {
        let outcome = in_kernel()?;
        check(&outcome).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(&outcome)))
    });
    cells.into_iter().chain(canaries::under(Detector::Kasan, "kasan::canary")).chain([ktap]).collect()
}

fn in_kernel() -> Result<Outcome> {
    let machine = Machine::new(build::guest_with(Detector::Kasan)?).kernel_arguments("lastref.ktap=1");
    machine.limit(Some(Duration::from_secs(120))).capture()
}

fn check(outcome: &Outcome) -> Result<()> {
    let summary = ktap::parse(&outcome.log)?;
    ensure!(summary.failed.is_empty(), "failed: {}", summary.failed.join(", "));
    ensure!(outcome.status() == Some(0), "all tests held, and yet the status is {:?}", outcome.status());
    Ok(())
}
