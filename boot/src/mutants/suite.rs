//! Running the tests that a mutant has to fail, and naming what noticed.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Tree;
use crate::input::Stdin;
use crate::process::{self, Ending};
use crate::workspace::{self, KERNEL_SOURCE};

/// How long a build may take: on a host that is busy, the first of a kernel takes its time.
const BUILDING: Duration = Duration::from_secs(2 * 3600);
/// How long tests may take that need nothing built any more.
const TESTING: Duration = Duration::from_secs(600);

/// What the names of the tests inside the kernel begin with.
const IN_KERNEL: &str = "kernel::";

/// Which tests are to notice a mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// Unit tests of a package, on the host: those whose names begin with the second.
    Host(String, String),
    /// The loom models of `heaps` whose names contain this.
    Loom(String),
    /// A trial on a machine.
    Guest(String),
}

impl Suite {
    /// Reads `heaps FILTER`, `kernel FILTER`, `loom FILTER` or `guest TRIAL`.
    pub(super) fn parse(text: &str) -> Result<Suite> {
        let (kind, which) = text.split_once(' ').with_context(|| format!("{text:?} is no suite"))?;
        let which = which.trim().to_owned();
        Ok(match kind {
            "heaps" | "kernel" => Suite::Host(format!("lastref-{kind}"), which),
            "loom" => Suite::Loom(which),
            "guest" => Suite::Guest(which),
            _ => bail!("{text:?} is no suite"),
        })
    }

    /// Whether no machine is booted for it, and nothing built twice.
    pub fn is_quick(&self) -> bool {
        matches!(self, Suite::Host(..))
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suite::Host(package, filter) => write!(f, "{package} {filter}"),
            Suite::Loom(filter) => write!(f, "loom {filter}"),
            Suite::Guest(trial) => f.write_str(trial),
        }
    }
}

/// What came of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every test held: a mutant survived it.
    Held,
    /// Something noticed: the kind of its report (`use-after-free`, `lock-order`, `leak`…), `hang`, `panic`, or
    /// `check` where a test found what it had asked for to be otherwise.
    Noticed {
        /// That kind.
        detector: String,
        /// The tests that failed.
        tests: Vec<String>,
        /// All that was said.
        said: String,
    },
}

/// What runs tests on a tree.
#[derive(Debug, Default)]
pub struct Tests {
    /// The runner of trials, once it is built.
    trials: OnceCell<PathBuf>,
}

/// Builds the runner of trials, from the sources as they are.
fn trials() -> Result<PathBuf> {
    let mut command = cargo();
    command.current_dir(workspace::root());
    command.args(["test", "--quiet", "--package", "lastref-tests", "--test", "guest", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    let (_, output, stderr) = run(command, BUILDING)?;
    let executable = output.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.with_context(|| format!("the trials did not build:\n{stderr}"))
}

impl Tests {
    /// Runs `suite` on `tree`.
    ///
    /// # Errors
    /// Where the tree does not build, or the suite has no tests.
    pub fn run(&self, suite: &Suite, tree: &Tree) -> Result<Verdict> {
        match suite {
            Suite::Host(package, filter) => host(tree, &["--package", package], filter),
            Suite::Loom(filter) => {
                let loom = ["--package", "lastref-heaps", "--features", "loom", "--release"];
                host(tree, &[&loom[..], &["--target-dir", "target/loom"]].concat(), filter)
            }
            Suite::Guest(trial) => self.guest(tree, trial),
        }
    }

    fn guest(&self, tree: &Tree, trial: &str) -> Result<Verdict> {
        if self.trials.get().is_none() {
            let _ = self.trials.set(trials()?);
        }
        let mut command = Command::new(self.trials.get().expect("it was just set"));
        command.args(["--exact", trial]).env(KERNEL_SOURCE, tree.root());
        // It builds the kernel first; its machines have limits of their own.
        let (succeeded, output, stderr) = run(command, BUILDING)?;
        ensure!(!output.contains("the guest did not build"), "the mutant does not build:\n{stderr}");
        let verdict = judge(succeeded, &output, &stderr)?;
        Ok(match verdict {
            // These provoke reports, which are no evidence.
            Verdict::Noticed { tests, said, .. } if trial.starts_with(IN_KERNEL) => {
                Verdict::Noticed { detector: "check".into(), tests, said }
            }
            other => other,
        })
    }
}

/// Runs unit tests, in two steps: what does not build was not noticed by a test.
fn host(tree: &Tree, options: &[&str], filter: &str) -> Result<Verdict> {
    let tests = |more: &[&str], limit| {
        let mut command = cargo();
        command.current_dir(tree.root()).arg("test").args(options).args(["--lib", "--quiet"]).args(more);
        run(command, limit)
    };
    let (built, _, stderr) = tests(&["--no-run"], BUILDING)?;
    ensure!(built, "the mutant does not build:\n{stderr}");
    match tests(&["--", filter], TESTING) {
        Ok((succeeded, output, stderr)) => judge(succeeded, &output, &stderr),
        Err(error) if error.is::<Endless>() => {
            Ok(Verdict::Noticed { detector: "hang".into(), tests: Vec::new(), said: error.to_string() })
        }
        Err(error) => Err(error),
    }
}

fn judge(succeeded: bool, output: &str, stderr: &str) -> Result<Verdict> {
    ensure!(!output.contains("running 0 tests"), "there is no such test:\n{output}{stderr}");
    if succeeded {
        return Ok(Verdict::Held);
    }
    let said = format!("{output}{stderr}");
    Ok(Verdict::Noticed { detector: detector(&said).to_owned(), tests: failed(output), said })
}

/// What noticed, by what was said when a test failed.
fn detector(said: &str) -> &str {
    // A report's first line, in the kernel's log; or the panic that takes its place on the host.
    const REPORTS: [(&str, &str); 17] = [
        ("BUG: lastref: use-after-free", "use-after-free"),
        ("BUG: lastref: out-of-bounds", "out-of-bounds"),
        ("BUG: lastref: double-free", "double-free"),
        ("BUG: lastref: invalid-free", "invalid-free"),
        ("BUG: lastref: refcount", "refcount"),
        ("BUG: lastref: lock order", "lock-order"),
        ("BUG: lastref: deadlock", "deadlock"),
        ("BUG: lastref: frame state", "frame-state"),
        ("BUG: lastref: device fault", "device-fault"),
        ("lock order: ", "lock-order"),
        ("deadlock: ", "deadlock"),
        ("frame state: ", "frame-state"),
        ("observed leak(", "leak"),
        ("observed zombie", "zombie"),
        ("observed wrong-heap", "wrong-heap"),
        ("observed hang", "hang"),
        ("did not end in time", "hang"),
    ];
    let first = REPORTS.iter().filter_map(|(text, name)| Some((said.find(text)?, *name))).min();
    match first {
        Some((_, name)) => name,
        None if said.to_ascii_lowercase().contains("kernel panic") => "panic",
        None => "check",
    }
}

/// The names in the list of failures that a runner ends with.
fn failed(output: &str) -> Vec<String> {
    let list = output.rsplit("\nfailures:\n").next().unwrap_or_default();
    list.lines().map_while(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// A command that did not end in its time, and what it said.
#[derive(Debug)]
struct Endless(String);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it did not end:\n{}", self.0)
    }
}

impl std::error::Error for Endless {}

/// Runs a command to its end: whether it succeeded, and what it said.
fn run(mut command: Command, limit: Duration) -> Result<(bool, String, String)> {
    command.env("RUST_BACKTRACE", "0");
    let mut output = Vec::new();
    let (ending, stderr) = process::run(command, Stdin::Null, Some(limit), |bytes| output.extend(bytes))?;
    let output = String::from_utf8_lossy(&output).into_owned();
    match ending {
        Ending::Exited(status) => Ok((status.success(), output, stderr)),
        Ending::TimedOut => Err(Endless(format!("{output}{stderr}")).into()),
        Ending::Interrupted(_) => bail!("interrupted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_read() {
        assert_eq!(
            Suite::parse("heaps cdev::").unwrap(),
            Suite::Host("lastref-heaps".into(), "cdev::".into())
        );
        assert_eq!(Suite::parse("guest cell::H1::kref").unwrap(), Suite::Guest("cell::H1::kref".into()));
        assert!(Suite::parse("heaps").is_err() && Suite::parse("house x").is_err());
    }

    #[test]
    fn the_first_report_names_the_detector() {
        assert_eq!(detector("…\nBUG: lastref: lock order: a\nBUG: lastref: deadlock: b"), "lock-order");
        assert_eq!(detector("H1 under lastref: expected ok, observed leak(heaps, 8 B)"), "leak");
        assert_eq!(detector("assertion `left == right` failed"), "check");
        assert_eq!(detector("the machine did not end in time"), "hang");
    }

    #[test]
    fn only_tests_that_ran_and_failed_have_noticed() {
        assert_eq!(judge(true, "running 1 test\n", "").unwrap(), Verdict::Held);
        let output = "running 2 tests\n\nfailures:\n\n---- a stdout ----\nleft\n\nfailures:\n    a::b\n    c\n\ntest result";
        let Verdict::Noticed { detector, tests, .. } = judge(false, output, "").unwrap() else {
            panic!("held")
        };
        assert_eq!((detector.as_str(), tests), ("check", vec!["a::b".to_owned(), "c".to_owned()]));
        judge(true, "running 0 tests\n", "").unwrap_err();
    }
}
