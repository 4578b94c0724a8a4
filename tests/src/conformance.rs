//! The conformance suite: every program of `tests/c/conformance` has to see here what it saw on Linux, but for what
//! `tests/c/conformance/differences` lists with its reason.

use anyhow::{Result, bail, ensure};
use lastref::{build, conformance};
use libtest_mimic::Trial;

use crate::trial;

/// One trial a program: `conformance::heap`.
///
/// # Panics
/// Where the programs cannot be listed.
pub fn trials() -> Vec<Trial> {
    let programs = conformance::programs().expect("the programs lie in the clone");
    let judge = |program: conformance::Program| {
        trial(format!("conformance::{}", program.name()), move || judge(&program))
    };
    programs.into_iter().map(judge).collect()
}

fn judge(program: &conformance::Program) -> Result<()> {
    let comparison = program.compare(build::guest()?, &conformance::listed()?)?;
    ensure!(comparison.checks > 0, "nothing was checked");
    let compared = comparison.agreed + comparison.listed.len() + comparison.wrong.len();
    ensure!(compared >= comparison.checks, "{compared} of {} checks were compared", comparison.checks);
    if !comparison.wrong.is_empty() {
        bail!("{} of {} checks:\n{}", comparison.wrong.len(), comparison.checks, comparison.wrong.join("\n"));
    }
    Ok(())
}
