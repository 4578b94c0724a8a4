//! The stress of heaps from four CPUs: nothing under a sound discipline, and caught under an unsound one.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lastref::{Machine, Outcome, build};
use libtest_mimic::Trial;

use crate::{transcript, trial};

/// Arguments of `/bin/stress`: seconds, threads, seed.
const PLAN: [&str; 4] = ["/bin/stress", "5", "4", "20260101"];

/// Well: `stress::lastref`. Caught: `stress::kref`.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("stress::lastref", || explain(&run("lastref")?, well)),
        trial("stress::kref", || explain(&run("kref")?, caught)),
    ]
}

fn run(discipline: &str) -> Result<Outcome> {
    let machine = Machine::new(build::guest()?).cpus(4).discipline(discipline).command(PLAN);
    machine.limit(Some(Duration::from_secs(120))).capture()
}

fn explain(outcome: &Outcome, check: fn(&Outcome) -> Result<()>) -> Result<()> {
    check(outcome).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(outcome)))
}

fn well(outcome: &Outcome) -> Result<()> {
    let said = String::from_utf8_lossy(&outcome.stdout);
    ensure!(outcome.reports.is_empty(), "the kernel reported something");
    ensure!(outcome.status() == Some(0), "the stress ended with {:?}", outcome.end);
    ensure!(said.ends_with("stress: no report, no leak\n"), "the stress did not say that all was well");
    Ok(())
}

/// The report has to be one of freed memory, and the stress has to have failed; whether the machine
/// survived what it did to itself is another matter.
fn caught(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.reports.contains("BUG: "), "the kernel reported nothing");
    ensure!(outcome.reports.contains("use-after-free"), "nothing of what was reported is a use after free");
    ensure!(outcome.status().is_some_and(|status| status != 0), "the stress ended with {:?}", outcome.end);
    Ok(())
}
