//! Gets what is missing: through rustup where that may download, else from the system's packages.
//!
//! Nothing is installed behind anybody's back: on a terminal it asks first; `--no-install`, or a host
//! where it may not install, ends with the one command to run.
//!
//! [`manager`] knows the package managers, [`backports`] the way to a QEMU newer than the release's own
//! (from [`sources`]), and [`plan`] is what comes of them. [`download`] gets what is not to be installed.

pub mod backports;
pub mod download;
pub mod manager;
pub mod plan;
pub mod sources;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::host::{self, Host, Missing};
use crate::process;
use crate::toolchain::TARGET;
use crate::workspace;
use backports::Offer;
use manager::Manager;
use plan::Plan;

/// How long rustup may take; where its servers cannot be reached, it should not be waited for.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Never installs anything from now on (`--no-install`).
pub fn forbid() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// Whether it was said to fetch nothing.
pub fn is_forbidden() -> bool {
    FORBIDDEN.load(Ordering::Relaxed)
}

/// The host, with everything it takes; what is missing is installed where that is allowed.
pub fn ready() -> Result<&'static Host> {
    static HOST: OnceLock<Result<Host>> = OnceLock::new();
    HOST.get_or_init(|| obtain(Host::survey)).as_ref().map_err(|error| anyhow!("{error:#}"))
}

/// A C compiler for Linux/arm64 with a static library, for the tests that run other people's kind of
/// program; installed where that is allowed.
pub fn c_compiler() -> Result<PathBuf> {
    static COMPILER: OnceLock<Result<PathBuf>> = OnceLock::new();
    let compiler = COMPILER.get_or_init(|| obtain(host::c_compiler));
    compiler.as_ref().cloned().map_err(|error| anyhow!("{error:#}"))
}

/// What it takes to build Linux, besides the C compiler; installed where that is allowed.
pub fn kernel_tools() -> Result<()> {
    obtain(host::kernel_tools)
}

/// What `survey` looks for, after installing what it misses.
fn obtain<T>(survey: impl Fn() -> Result<T, Vec<Missing>>) -> Result<T> {
    let missing = match survey() {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    eprintln!("lastref: missing: {}", list(&missing));
    let manager = Manager::find();
    let plan = Plan::new(manager, &missing, Offer::of_host(&missing));
    let advice = plan.line();
    if is_forbidden() {
        bail!("not installing (--no-install); {advice}");
    }
    let rustup =
        workspace::which("rustup").filter(|_| missing.contains(&Missing::Compiler) && rustup_may_fetch());
    if rustup.is_none() && !plan.is_feasible() {
        bail!("it cannot be installed from here; {advice}");
    }
    if !agreed(&advice)? {
        bail!("nothing was installed; {advice}");
    }
    if let Some(rustup) = rustup {
        add_rustup_target(&rustup);
    }
    let rest = match survey() {
        Ok(found) => return Ok(found),
        Err(rest) => rest,
    };
    let plan = Plan::new(manager, &rest, Offer::of_host(&rest));
    let advice = plan.line();
    plan.carry_out();
    survey().map_err(|rest| anyhow!("still missing: {}; {advice}", list(&rest)))
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(|thing| thing.describe()).collect::<Vec<_>>().join(", ")
}

/// Asks, where there is somebody to ask.
fn agreed(advice: &str) -> Result<bool> {
    let unattended = is_set("CI") || !io::stdin().is_terminal() || !io::stderr().is_terminal();
    if unattended {
        return Ok(true);
    }
    eprint!("lastref: install it now? ({advice}) [Y/n] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

/// An answer that was ended by a newline: a closed terminal is no yes.
fn is_yes(answer: &str) -> bool {
    answer.ends_with('\n') && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Where rustup was told to fetch nothing by itself, it is not made to.
fn rustup_may_fetch() -> bool {
    std::env::var("RUSTUP_AUTO_INSTALL").map_or(true, |value| value != "0")
}

/// Lets rustup fetch the guest's target.
fn add_rustup_target(rustup: &Path) {
    let mut command = Command::new(rustup);
    command.args(["target", "add", TARGET]).current_dir(workspace::root());
    command.env("RUSTUP_MAX_RETRIES", "0").stdin(Stdio::null());
    if !process::succeeds(command, Some(RUSTUP_LIMIT)) {
        eprintln!("lastref: rustup cannot add {TARGET}; trying the system's packages");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["\n", "y\n", "YES\n", " y \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "y", "n\n", "nope\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
