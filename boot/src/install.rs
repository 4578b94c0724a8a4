//! Gets what is missing: through rustup where that may download, else from the system's packages.
//!
//! Nothing is installed behind anybody's back: on a terminal it asks first; `--no-install`, or a host
//! where it may not install, ends with the one command to run.

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

/// How long rustup may take; where its servers cannot be reached, it should not be waited for.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Never installs anything from now on (`--no-install`).
pub fn forbid() {
    FORBIDDEN.store(true, Ordering::Relaxed);
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

/// What `survey` looks for, after installing what it misses.
fn obtain<T>(survey: impl Fn() -> Result<T, Vec<Missing>>) -> Result<T> {
    let missing = match survey() {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    let list: Vec<String> = missing.iter().map(|thing| thing.describe()).collect();
    eprintln!("lastref: missing: {}", list.join(", "));
    let manager = Manager::find();
    let advice = manager.command(&missing);
    if FORBIDDEN.load(Ordering::Relaxed) {
        bail!("not installing (--no-install); run: {advice}");
    }
    let rustup =
        workspace::which("rustup").filter(|_| missing.contains(&Missing::Compiler) && rustup_may_fetch());
    if rustup.is_none() && !manager.installs() {
        bail!("this user cannot install it here; run: {advice}");
    }
    if !agreed(&advice)? {
        bail!("nothing was installed; run: {advice}");
    }
    if let Some(rustup) = rustup {
        add_rustup_target(&rustup);
    }
    let rest = match survey() {
        Ok(found) => return Ok(found),
        Err(rest) => rest,
    };
    manager.install(&rest);
    survey().map_err(|rest| {
        let list: Vec<String> = rest.iter().map(|thing| thing.describe()).collect();
        anyhow!("still missing: {}; run: {}", list.join(", "), manager.command(&rest))
    })
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

/// What installs packages on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    /// Debian's, as root or through the named program.
    Apt(Option<&'static str>),
    /// Debian's, but this user may not use it.
    AptForRoot,
    Brew,
    Dnf,
    Pacman,
    Unknown,
}

impl Manager {
    fn find() -> Manager {
        let has = |name| workspace::which(name).is_some();
        if has("apt-get") {
            return match () {
                () if rustix::process::geteuid().is_root() => Manager::Apt(None),
                () if has("sudo") => Manager::Apt(Some("sudo")),
                () => Manager::AptForRoot,
            };
        }
        [("brew", Manager::Brew), ("dnf", Manager::Dnf), ("pacman", Manager::Pacman)]
            .into_iter()
            .find_map(|(program, manager)| has(program).then_some(manager))
            .unwrap_or(Manager::Unknown)
    }

    /// Whether it is one that the launcher can make install things.
    fn installs(self) -> bool {
        matches!(self, Manager::Apt(_) | Manager::Brew)
    }

    fn is_apt(self) -> bool {
        matches!(self, Manager::Apt(_) | Manager::AptForRoot)
    }

    /// The packages that bring `missing`. Where packages bring no toolchain, rustup has to.
    fn packages(self, missing: &[Missing]) -> Vec<&'static str> {
        let package = |thing: &Missing| -> &[&str] {
            match (thing, self) {
                (Missing::Compiler, _) if self.is_apt() => {
                    &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld"]
                }
                (Missing::Compiler, _) => &[],
                (Missing::Linker, _) => &["lld"],
                (Missing::Qemu, _) if self.is_apt() => &["qemu-system-arm"],
                (Missing::Qemu, Manager::Brew) => &["qemu"],
                (Missing::Qemu, _) => &["qemu-system-aarch64"],
                (Missing::CCompiler, _) if self.is_apt() => {
                    &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]
                }
                (Missing::CCompiler, Manager::Brew) => {
                    &["messense/macos-cross-toolchains/aarch64-unknown-linux-gnu"]
                }
                (Missing::CCompiler, Manager::Pacman) => {
                    &["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-glibc"]
                }
                (Missing::CCompiler, _) => &["gcc-aarch64-linux-gnu"],
            }
        };
        missing.iter().flat_map(package).copied().collect()
    }

    /// The one line to type for `missing`.
    fn command(self, missing: &[Missing]) -> String {
        let packages = self.packages(missing).join(" ");
        let install = match self {
            Manager::Apt(None) => format!("apt-get install {packages}"),
            Manager::Apt(_) | Manager::AptForRoot => format!("sudo apt-get install {packages}"),
            Manager::Brew => format!("brew install {packages}"),
            Manager::Dnf => format!("sudo dnf install {packages}"),
            Manager::Pacman => format!("sudo pacman -S {packages}"),
            Manager::Unknown => format!("your package manager, to install {packages}"),
        };
        let rustup = format!("rustup target add {TARGET}");
        match (packages.is_empty(), missing.contains(&Missing::Compiler) && !self.is_apt()) {
            (true, _) => rustup,
            (false, true) => format!("{rustup} && {install}"),
            (false, false) => install,
        }
    }

    /// Installs; whether that worked shows in what is found afterwards.
    fn install(self, missing: &[Missing]) {
        let packages = self.packages(missing);
        match self {
            _ if packages.is_empty() => {}
            Manager::Apt(through) => {
                let mut install = vec!["install", "--yes", "--no-install-recommends"];
                install.extend(packages);
                // The package lists may be old, or not be there at all.
                if !apt(through, &install) && apt(through, &["update"]) {
                    apt(through, &install);
                }
            }
            Manager::Brew => {
                let mut brew = Command::new("brew");
                brew.arg("install").args(packages);
                process::succeeds(brew, None);
            }
            Manager::AptForRoot | Manager::Dnf | Manager::Pacman | Manager::Unknown => {}
        }
    }
}

/// Runs apt-get; it waits for whoever holds its lock.
fn apt(through: Option<&str>, arguments: &[&str]) -> bool {
    let mut command = match through {
        Some(sudo) => {
            let mut command = Command::new(sudo);
            if !io::stdin().is_terminal() {
                command.arg("-n"); // nobody is there to type a password
            }
            command.arg("apt-get");
            command
        }
        None => Command::new("apt-get"),
    };
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    eprintln!("lastref: apt-get {}", arguments.join(" "));
    process::succeeds(command, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Missing; 2] = [Missing::Compiler, Missing::Qemu];

    #[test]
    fn each_host_gets_one_command() {
        assert_eq!(
            Manager::Apt(None).command(&ALL),
            "apt-get install rustc-web cargo-web rust-web-src rust-web-clippy lld qemu-system-arm"
        );
        assert_eq!(Manager::AptForRoot.command(&[Missing::Linker]), "sudo apt-get install lld");
        assert_eq!(
            Manager::Brew.command(&ALL),
            "rustup target add aarch64-unknown-none-softfloat && brew install qemu"
        );
        assert_eq!(
            Manager::Unknown.command(&[Missing::Compiler]),
            "rustup target add aarch64-unknown-none-softfloat"
        );
        assert_eq!(Manager::Dnf.command(&[Missing::Qemu]), "sudo dnf install qemu-system-aarch64");
        assert_eq!(
            Manager::Apt(None).command(&[Missing::CCompiler]),
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
        );
    }

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
