//! The mutants, as far as a minute goes: that each still applies to the sources, and that the suite kills a few for
//! which no machine has to be booted. `cargo run -- mutants` tries them all.

use anyhow::{Result, ensure};
use lastref::mutants::{self, Tests, Tree, Verdict};
use libtest_mimic::Trial;

use crate::trial;

/// Those that are tried here.
const TRIED: [&str; 3] = ["failed-add-stays-mapped", "ioctl-publishes-first", "refcount-wraps"];

/// One trial for all that apply, one for those that are killed: `mutants::apply`, `mutants::killed`.
pub fn trials() -> Vec<Trial> {
    vec![trial("mutants::apply", apply), trial("mutants::killed", killed)]
}

fn apply() -> Result<()> {
    mutants::all()?.iter().try_for_each(|mutant| mutant.changed().map(drop))
}

fn killed() -> Result<()> {
    let (tests, tree) = (Tests::default(), Tree::fresh()?);
    for mutant in mutants::chosen(&TRIED.map(str::to_owned))? {
        ensure!(mutant.suite.is_quick(), "{} takes a machine", mutant.name);
        tree.become_mutant(&mutant)?;
        match tests.run(&mutant.suite, &tree)? {
            Verdict::Noticed { detector, .. } if detector == mutant.detector => {}
            other => anyhow::bail!("{} was to be killed by {}: {other:?}", mutant.name, mutant.detector),
        }
    }
    Ok(())
}
