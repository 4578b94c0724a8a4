//! The tests inside the kernel: they print KTAP to its log and power off with a status.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lastref::{Machine, Outcome, build};
use libtest_mimic::Trial;

use crate::{ktap, transcript, trial};

/// One trial a number of CPUs: `kernel::ktap-1`, `kernel::ktap-4`.
pub fn trials() -> Vec<Trial> {
    [1, 4].map(|cpus| trial(format!("kernel::ktap-{cpus}"), move || judge(&run(cpus)?))).into()
}

fn run(cpus: u32) -> Result<Outcome> {
    let machine = Machine::new(build::guest()?).cpus(cpus).kernel_arguments("lastref.ktap=1");
    machine.limit(Some(Duration::from_secs(120))).capture()
}

fn judge(outcome: &Outcome) -> Result<()> {
    check(outcome).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(outcome)))
}

fn check(outcome: &Outcome) -> Result<()> {
    ensure!(!outcome.timed_out(), "the machine did not end in time");
    let summary = ktap::parse(&outcome.log)?;
    ensure!(summary.failed.is_empty(), "failed: {}", summary.failed.join(", "));
    ensure!(outcome.status() == Some(0), "all tests held, and yet the status is {:?}", outcome.status());
    Ok(())
}
