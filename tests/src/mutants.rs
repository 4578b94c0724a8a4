//! The mutants, as far as a minute goes: that each still applies to the sources, that the tests are there which are to
//! notice it, and that the suite kills a few for which no machine has to be booted. `cargo run -- mutants` tries them all.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use lastref::mutants::{self, Suite, Tests, Tree, Verdict};
use lastref::workspace;
use libtest_mimic::Trial;

use crate::{launcher, trial};

/// Those that are tried here.
const TRIED: [&str; 3] = ["failed-add-stays-mapped", "ioctl-publishes-first", "refcount-wraps"];

/// One trial for all that apply, one for what is to notice them, one for those that are killed: `mutants::apply`,
/// `mutants::suites`, `mutants::killed`.
pub fn trials() -> Vec<Trial> {
    vec![trial("mutants::apply", apply), trial("mutants::suites", suites), trial("mutants::killed", killed)]
}

fn apply() -> Result<()> {
    mutants::all()?.iter().try_for_each(|mutant| mutant.changed().map(drop))
}

/// Every test that is to notice a mutant is there. (The loom models are in another build of their crate, and looked for
/// in its sources.)
fn suites() -> Result<()> {
    let trials: Vec<_> = crate::all().iter().map(|trial| trial.name().to_owned()).collect();
    let models = fs::read_to_string(workspace::root().join("heaps/src/loom_models.rs"))?;
    let mut units = BTreeMap::new();
    for mutant in mutants::all()? {
        let is_there = match &mutant.suite {
            Suite::Guest(name) => trials.contains(name),
            Suite::Host(package, filter) => {
                if !units.contains_key(package) {
                    units.insert(package.clone(), unit_tests(package)?);
                }
                units[package].lines().any(|test| test.starts_with(filter.as_str()))
            }
            Suite::Loom(model) => models.contains(&format!("fn {model}")),
        };
        ensure!(is_there, "{}: there is no {}", mutant.name, mutant.suite);
    }
    Ok(())
}

/// A package's unit tests, a line each.
fn unit_tests(package: &str) -> Result<String> {
    let mut cargo = launcher::cargo();
    cargo.args(["test", "--quiet", "--package", package, "--lib", "--", "--list", "--format=terse"]);
    let output = cargo.stderr(Stdio::piped()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
