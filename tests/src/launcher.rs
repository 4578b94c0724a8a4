//! Runs the launcher as a process, the way a person does.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use lastref::Stdin;
use lastref::process::{self, Ending};
use lastref::workspace;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit status, or 128 and the signal that killed it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// How long a run may take; the guest may have to be built in it.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the launcher with these arguments and without input.
///
/// # Errors
/// Where it could not be run, or did not end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Ran> {
    let mut command = Command::new(program()?);
    command.args(arguments).current_dir(workspace::root());
    let mut stdout = Vec::new();
    let (ending, stderr) = process::run(command, Stdin::Null, Some(LIMIT), |bytes| stdout.extend(bytes))?;
    let Ending::Exited(status) = ending else {
        bail!("the launcher did not end: {ending:?}; it said:\n{stderr}")
    };
    let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Ran { status, stdout: String::from_utf8_lossy(&stdout).into_owned(), stderr })
}

/// Cargo, as the one that runs these tests names it.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root()).stdin(Stdio::null());
    cargo
}

/// The launcher's program, built if need be: a test binary of another package has no other way to know it.
pub fn program() -> Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(build).as_ref().cloned().map_err(|error| anyhow!("{error:#}"))
}

fn build() -> Result<PathBuf> {
    let mut cargo = cargo();
    // The same packages as `cargo test` selects, so that their dependencies are not built once more.
    cargo.args(["build", "--quiet", "--bin", "lastref", "--message-format=json-render-diagnostics"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the launcher did not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().rev().find_map(executable).context("cargo did not say where the launcher is")
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}
