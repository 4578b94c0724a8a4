//! What is to be done about what is missing: as one line to type, or to be carried out.

use super::backports::{Backports, Offer};
use super::manager::{Manager, apt};
use crate::host::Missing;
use crate::toolchain::TARGET;
use crate::version::LEAST_QEMU;

/// What to do about what is missing.
#[derive(Debug)]
pub struct Plan {
    manager: Manager,
    /// A target for rustup to add, since no package brings a toolchain.
    rustup: bool,
    packages: Vec<&'static str>,
    backports: Option<Backports>,
    /// What no command helps against.
    obstacle: Option<String>,
}

impl Plan {
    /// What `manager` can do about `missing`, where its packages have this `offer` of QEMU.
    pub fn new(manager: Manager, missing: &[Missing], offer: Offer) -> Plan {
        let without_qemu: Vec<_> = missing.iter().copied().filter(|thing| !thing.is_qemu()).collect();
        let wanted = if offer == Offer::Configured { missing } else { &without_qemu };
        let (backports, obstacle) = match offer {
            Offer::Configured => (None, None),
            Offer::TooOld(version) => (None, Some(format!("the packages of this system have {version}"))),
            Offer::Backports(codename) => match Backports::prepare(&codename) {
                Ok(backports) => (Some(backports), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            },
        };
        let rustup = missing.contains(&Missing::Compiler) && !manager.is_apt();
        Plan { manager, rustup, packages: manager.packages(wanted), backports, obstacle }
    }

    /// Whether the launcher can carry any of it out.
    pub fn is_feasible(&self) -> bool {
        self.manager.installs() && !(self.packages.is_empty() && self.backports.is_none())
    }

    /// The one line to type.
    pub fn line(&self) -> String {
        let rustup = self.rustup.then(|| format!("rustup target add {TARGET}"));
        let install = (!self.packages.is_empty()).then(|| self.manager.line(&self.packages));
        let sudo = if self.manager == Manager::Apt(None) { "" } else { "sudo " };
        let backports = self.backports.iter().flat_map(|backports| {
            backports.commands().map(|arguments| format!("{sudo}apt-get {}", arguments.join(" ")))
        });
        let lines: Vec<_> = rustup.into_iter().chain(install).chain(backports).collect();
        match &self.obstacle {
            None => format!("run: {}", lines.join(" && ")),
            Some(obstacle) => {
                let lines = lines.iter().map(|line| format!("run: {line}; then "));
                format!(
                    "{}get QEMU {LEAST_QEMU} or later and put it in PATH: {obstacle}",
                    lines.collect::<String>()
                )
            }
        }
    }

    /// Carries it out, but for rustup's part; whether that worked shows in what is found afterwards.
    pub fn carry_out(self) {
        self.manager.install(&self.packages);
        let (Some(backports), Manager::Apt(through)) = (self.backports, self.manager) else { return };
        let [update, install] = backports.commands();
        // A foreign mirror among the sources may have no such suites, which costs nothing but its part.
        let run =
            |arguments: &[String]| apt(through, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        run(&update);
        if run(&install) {
            backports.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    const ALL: [Missing; 2] = [Missing::Compiler, Missing::Qemu];

    fn line(manager: Manager, missing: &[Missing]) -> String {
        Plan::new(manager, missing, Offer::Configured).line()
    }

    #[test]
    fn each_host_gets_one_line() {
        assert_eq!(
            line(Manager::Apt(None), &ALL),
            "run: apt-get install rustc-web cargo-web rust-web-src rust-web-clippy lld qemu-system-arm"
        );
        assert_eq!(line(Manager::AptForRoot, &[Missing::Linker]), "run: sudo apt-get install lld");
        assert_eq!(
            line(Manager::Brew, &ALL),
            "run: rustup target add aarch64-unknown-none-softfloat && brew install qemu"
        );
        assert_eq!(
            line(Manager::Unknown, &[Missing::Compiler]),
            "run: rustup target add aarch64-unknown-none-softfloat"
        );
        assert_eq!(
            line(Manager::Apt(None), &[Missing::CCompiler]),
            "run: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
        );
        let newer = [Missing::NewerQemu(Version(7, 2))];
        assert_eq!(line(Manager::Dnf, &newer), "run: sudo dnf install qemu-system-aarch64");
    }

    #[test]
    fn where_no_package_is_new_enough_it_says_so() {
        let missing = [Missing::Linker, Missing::NewerQemu(Version(6, 2))];
        let plan = Plan::new(Manager::Apt(None), &missing, Offer::TooOld(Version(6, 2)));
        assert!(plan.is_feasible());
        assert_eq!(
            plan.line(),
            "run: apt-get install lld; then get QEMU 8.0 or later and put it in PATH: \
             the packages of this system have 6.2"
        );
        let plan = Plan::new(Manager::Apt(None), &missing[1..], Offer::TooOld(Version(6, 2)));
        assert!(!plan.is_feasible());
        assert!(plan.line().starts_with("get QEMU 8.0 or later"));
    }
}
