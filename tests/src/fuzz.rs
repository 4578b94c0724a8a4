//! The fuzzer: a sound kernel bears any call with any arguments; of an unsound discipline, it finds out.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lastref::{Machine, Outcome, build};
use libtest_mimic::Trial;

use crate::{transcript, trial};

/// A number of children rather than a time: the same work on any host.
const PLAN: [&str; 5] = ["/bin/fuzz", "--seed", "20260101", "--children", "150"];

/// Well, on one CPU, on four, and with little memory: `fuzz::1-cpu`. Caught, where heaps come and go under `kref`:
/// `fuzz::kref`. Used wrongly: `fuzz::usage`.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("fuzz::1-cpu", || explain(&run(1, 512, "lastref", &[])?, well)),
        trial("fuzz::4-cpus", || explain(&run(4, 512, "lastref", &["--providers"])?, well)),
        trial("fuzz::64M", || explain(&run(2, 64, "lastref", &[])?, well)),
        trial("fuzz::kref", || explain(&run(4, 512, "kref", &["--providers"])?, caught)),
        trial("fuzz::usage", || explain(&run(1, 512, "lastref", &["--seed"])?, refused)),
    ]
}

fn run(cpus: u32, memory: u32, discipline: &str, more: &[&str]) -> Result<Outcome> {
    let machine = Machine::new(build::guest()?).cpus(cpus).memory(memory).discipline(discipline);
    let machine = machine.command(PLAN.iter().chain(more).copied());
    machine.limit(Some(Duration::from_secs(300))).capture()
}

fn explain(outcome: &Outcome, check: fn(&Outcome) -> Result<()>) -> Result<()> {
    check(outcome).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(outcome)))
}

fn well(outcome: &Outcome) -> Result<()> {
    let said = String::from_utf8_lossy(&outcome.stdout);
    ensure!(outcome.reports.is_empty(), "the kernel reported something");
    ensure!(outcome.status() == Some(0), "the fuzzer ended with {:?}", outcome.end);
    ensure!(said.ends_with("fuzz: no report, no leak\n"), "the fuzzer did not say that all was well");
    Ok(())
}

/// The report has to be one of freed memory; whether the machine survived it is another matter.
fn caught(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.reports.contains("use-after-free"), "no use after free was reported");
    ensure!(outcome.status().is_some_and(|status| status != 0), "the fuzzer ended with {:?}", outcome.end);
    Ok(())
}

fn refused(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.status() == Some(2), "the fuzzer ended with {:?}", outcome.end);
    ensure!(
        String::from_utf8_lossy(&outcome.stderr).contains("usage: fuzz"),
        "it does not say how it is used"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use userland::fuzz::CALLS;

    /// `NAME = NUMBER;`, a line each.
    const NUMBERS: &str = include_str!("../../kernel/src/syscall/nr.rs");

    #[test]
    fn every_call_that_is_served_is_made() {
        let served = NUMBERS.lines().filter_map(|line| {
            let (name, number) = line.trim().strip_suffix(';')?.split_once(" = ")?;
            Some((name.to_ascii_lowercase(), number.parse::<usize>().ok()?))
        });
        let served: Vec<_> = served.collect();
        assert!(served.len() > 150, "only {} numbers are found", served.len());
        let made = |name: &str, number| CALLS.iter().any(|call| call.name == name && call.number == number);
        let missed: Vec<_> = served.iter().filter(|(name, number)| !made(name, *number)).collect();
        assert!(missed.is_empty(), "{missed:?} are not made");
    }
}
