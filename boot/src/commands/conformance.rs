//! `conformance`: programs here and on Linux, compared check by check.

use anyhow::{Result, bail};

use crate::build::Guest;
use crate::cli::Options;
use crate::conformance::{self, Program};
use crate::terminal::say;
use crate::{build, interrupt, reference};

/// Compares, verifies or records the programs named, or all; the status is 1 when anything is not as it should be.
pub fn run(options: &Options, verify: bool, record: bool, names: &[String]) -> Result<u8> {
    let programs = chosen(names)?;
    interrupt::watch()?;
    let good = match () {
        () if record => on_linux(&programs, keep)?,
        () if verify => on_linux(&programs, hold)?,
        () => here(&programs, options.verbose)?,
    };
    Ok(u8::from(!good))
}

fn chosen(names: &[String]) -> Result<Vec<Program>> {
    let mut programs = conformance::programs()?;
    if let Some(name) = names.iter().find(|name| programs.iter().all(|program| program.name() != **name)) {
        let known: Vec<_> = programs.iter().map(Program::name).collect();
        bail!("there is no program {name}; there are: {}", known.join(", "));
    }
    programs.retain(|program| names.is_empty() || names.iter().any(|name| name == program.name()));
    Ok(programs)
}

/// Runs every program on our kernel; whether all agree with Linux but for what is listed.
fn here(programs: &[Program], reasons: bool) -> Result<bool> {
    let (guest, differences) = (build::guest()?, conformance::listed()?);
    let (mut checks, mut agreed, mut listed, mut wrong) = (0, 0, 0, 0);
    for program in programs {
        let comparison = program.compare(guest, &differences)?;
        say(&format!(
            "{:14} {:4} checks, {:4} agree, {:3} listed differences, {:3} others\n",
            program.name(),
            comparison.checks,
            comparison.agreed,
            comparison.listed.len(),
            comparison.wrong.len()
        ))?;
        comparison.measured.iter().try_for_each(|line| say(&format!("  {line}\n")))?;
        comparison.wrong.iter().try_for_each(|line| say(&format!("  {line}\n")))?;
        if reasons {
            comparison
                .listed
                .iter()
                .try_for_each(|(name, why)| say(&format!("  listed: {name}: {why}\n")))?;
        }
        checks += comparison.checks;
        agreed += comparison.agreed;
        listed += comparison.listed.len();
        wrong += comparison.wrong.len();
    }
    say(&format!("{checks} checks, {agreed} agree, {listed} listed differences, {wrong} others\n"))?;
    Ok(wrong == 0)
}

/// Runs every program on the reference kernel, and does with it what is to be done.
fn on_linux(programs: &[Program], each: impl Fn(&Program, &Guest) -> Result<bool>) -> Result<bool> {
    let guest = reference::guest(Vec::new())?;
    let mut good = true;
    for program in programs {
        good &= each(program, &guest)?;
    }
    Ok(good)
}

/// Writes down what a program prints on Linux, if it prints the same twice.
fn keep(program: &Program, guest: &Guest) -> Result<bool> {
    let transcript = program.run(guest)?;
    if program.run(guest)? != transcript {
        bail!("{} does not print the same each time", program.name());
    }
    program.store(&transcript)?;
    say(&format!("{:14} {:4} checks recorded\n", program.name(), transcript.len()))?;
    Ok(true)
}

/// Holds what is written down to what a program prints on Linux.
fn hold(program: &Program, guest: &Guest) -> Result<bool> {
    let (stored, seen) = (program.stored()?, program.run(guest)?);
    let same = stored == seen;
    let verdict = if same { "as stored" } else { "NOT as stored" };
    say(&format!("{:14} {:4} checks, {verdict}\n", program.name(), seen.len()))?;
    for (name, result) in seen.checks().filter(|&(name, result)| stored.result(name) != Some(result)) {
        say(&format!("  {name}: {result}, not {:?}\n", stored.result(name)))?;
    }
    Ok(same)
}
