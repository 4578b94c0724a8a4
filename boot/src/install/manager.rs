//! The package managers of the hosts the launcher may find itself on.

use std::io::{self, IsTerminal};
use std::process::Command;

use crate::host::Missing;
use crate::install::backports::QEMU_PACKAGE;
use crate::{process, workspace};

/// What installs packages on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian's, as root or through the named program.
    Apt(Option<&'static str>),
    /// Debian's, but this user may not use it.
    AptForRoot,
    /// Homebrew.
    Brew,
    /// Fedora's.
    Dnf,
    /// Arch's.
    Pacman,
    /// None that is known here.
    Unknown,
}

impl Manager {
    /// This host's.
    pub fn find() -> Manager {
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
    pub fn installs(self) -> bool {
        matches!(self, Manager::Apt(_) | Manager::Brew)
    }

    /// Whether it is Debian's.
    pub fn is_apt(self) -> bool {
        matches!(self, Manager::Apt(_) | Manager::AptForRoot)
    }

    /// The packages that bring `missing`. Where packages bring no toolchain, rustup has to.
    pub fn packages(self, missing: &[Missing]) -> Vec<&'static str> {
        let package = |thing: &Missing| -> &[&str] {
            match (thing, self) {
                (Missing::Compiler, _) if self.is_apt() => {
                    &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld"]
                }
                (Missing::Compiler, _) => &[],
                (Missing::Linker, _) => &["lld"],
                (Missing::Qemu | Missing::NewerQemu(_), _) if self.is_apt() => &[QEMU_PACKAGE],
                (Missing::Qemu | Missing::NewerQemu(_), Manager::Brew) => &["qemu"],
                (Missing::Qemu | Missing::NewerQemu(_), _) => &["qemu-system-aarch64"],
                (Missing::KernelTools, _) => &["make", "gcc", "libc6-dev", "flex", "bison", "bc", "xz-utils"],
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

    /// The line to type that installs `packages`.
    pub fn line(self, packages: &[&str]) -> String {
        let packages = packages.join(" ");
        match self {
            Manager::Apt(None) => format!("apt-get install {packages}"),
            Manager::Apt(_) | Manager::AptForRoot => format!("sudo apt-get install {packages}"),
            Manager::Brew => format!("brew install {packages}"),
            Manager::Dnf => format!("sudo dnf install {packages}"),
            Manager::Pacman => format!("sudo pacman -S {packages}"),
            Manager::Unknown => format!("your package manager, to install {packages}"),
        }
    }

    /// Installs; whether that worked shows in what is found afterwards.
    pub fn install(self, packages: &[&str]) {
        match self {
            _ if packages.is_empty() => {}
            Manager::Apt(through) => {
                let mut install = vec!["install", "--yes", "--no-install-recommends", "--no-remove"];
                install.extend(packages);
                // The package lists may not be there, or be so old that what they offer does not serve.
                apt(through, &["update"]);
                apt(through, &install);
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

/// Runs apt-get, through sudo or as it is; it waits for whoever holds its lock.
pub fn apt(through: Option<&str>, arguments: &[&str]) -> bool {
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
