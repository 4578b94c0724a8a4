//! The loom models of `heaps`. They replace its atomics by loom's, so they are another build of the crate, in a
//! target directory of its own; optimised, or they would take minutes.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use lastref::workspace;
use libtest_mimic::Trial;

use crate::{launcher, trial};

/// One trial for all models: `models::loom`.
pub fn trials() -> Vec<Trial> {
    vec![trial("models::loom", loom)]
}

fn loom() -> Result<()> {
    let mut cargo = launcher::cargo();
    cargo.args(["test", "--package", "lastref-heaps", "--features", "loom", "--lib", "--release"]);
    cargo.arg("--target-dir").arg(workspace::root().join("target").join("loom"));
    let output = cargo.stderr(Stdio::piped()).output().context("cannot run cargo")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "the models do not hold:\n{stdout}\n{stderr}");
    let models =
        stdout.lines().filter(|line| line.starts_with("test loom_models::") && line.ends_with("... ok"));
    ensure!(models.count() > 0, "no model was checked:\n{stdout}\n{stderr}");
    Ok(())
}
