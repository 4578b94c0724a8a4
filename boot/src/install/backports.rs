//! An apt of its own beside the system's, for a package that only the release's backports have new
//! enough: its own lists, cache and sources, while what is installed, and how, stays the system's. The
//! system's own configuration is not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::sources;
use crate::host::Missing;
use crate::version::{LEAST_QEMU, Version};
use crate::workspace;

/// The package that brings QEMU.
pub const QEMU_PACKAGE: &str = "qemu-system-arm";

/// The last release of Debian whose own QEMU is too old.
const LAST_TOO_OLD: u32 = 12;

/// Where the host's packages have a QEMU that will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Among those it is configured for.
    Configured,
    /// In the backports of the release with this codename.
    Backports(String),
    /// Nowhere: this is the newest it has.
    TooOld(Version),
}

impl Offer {
    /// What this host's packages have, if QEMU is among what is missing.
    pub fn of_host(missing: &[Missing]) -> Offer {
        if !missing.iter().any(|thing| thing.is_qemu()) {
            return Offer::Configured;
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Offer::from(candidate(), &release)
    }

    /// Judges by the version that would be installed, if it is known, and the text of os-release(5).
    fn from(candidate: Option<Version>, release: &str) -> Offer {
        let field = |name| os_release_field(release, name);
        let debian = field("ID").filter(|id| id == "debian").and_then(|_| field("VERSION_CODENAME"));
        let number = field("VERSION_ID").and_then(|number| number.parse::<u32>().ok());
        match (candidate, debian) {
            (Some(version), _) if version >= LEAST_QEMU => Offer::Configured,
            (Some(_), Some(codename)) => Offer::Backports(codename),
            (Some(version), None) => Offer::TooOld(version),
            // There are no package lists yet.
            (None, Some(codename)) if number.is_some_and(|n| n <= LAST_TOO_OLD) => Offer::Backports(codename),
            (None, _) => Offer::Configured,
        }
    }
}

/// The version of QEMU that apt would install as it is configured.
fn candidate() -> Option<Version> {
    let output = Command::new("apt-cache").args(["policy", QEMU_PACKAGE]).env("LC_ALL", "C").output().ok()?;
    candidate_in(&String::from_utf8_lossy(&output.stdout))
}

fn candidate_in(policy: &str) -> Option<Version> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?;
    Version::of_package(line.trim())
}

/// A field of os-release(5), without its quotes.
pub fn os_release_field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// A private apt, ready to be used.
#[derive(Debug)]
pub struct Backports {
    directory: PathBuf,
    codename: String,
}

impl Backports {
    /// Lays out the private apt's directory for the release `codename`, in the clone's target directory.
    pub fn prepare(codename: &str) -> Result<Backports> {
        Backports::lay_out(&workspace::root().join("target/apt"), Path::new("/etc/apt"), codename)
    }

    fn lay_out(directory: &Path, system: &Path, codename: &str) -> Result<Backports> {
        let inside = |name: &str| directory.join(name);
        for name in ["lists/partial", "lists/auxfiles", "cache/archives/partial", "sources"] {
            fs::create_dir_all(inside(name))
                .with_context(|| format!("cannot make {}", inside(name).display()))?;
        }
        let (lists, paragraphs) = system_sources(system, codename, &sources::suites(codename));
        ensure!(
            !(lists.is_empty() && paragraphs.is_empty()),
            "{} names no mirror of {codename} whose backports could be had",
            system.display()
        );
        fs::write(inside("sources/system.list"), lists)?;
        fs::write(inside("sources/system.sources"), paragraphs)?;
        fs::write(inside("apt.conf"), configuration(directory))?;
        Ok(Backports { directory: directory.to_owned(), codename: codename.to_owned() })
    }

    /// apt-get's arguments, first to fetch the lists, then to install.
    pub fn commands(&self) -> [Vec<String>; 2] {
        let configuration = self.directory.join("apt.conf").display().to_string();
        let suite = format!("{}-backports", self.codename);
        let install =
            ["install", "--yes", "--no-install-recommends", "--no-remove", "-t", &suite, QEMU_PACKAGE];
        [&["update"][..], &install].map(|arguments| {
            ["-c", &configuration].iter().chain(arguments).map(|&text| text.to_owned()).collect()
        })
    }

    /// Removes what was downloaded.
    pub fn discard(self) {
        // What cannot be removed lies in the target directory, where it harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The system's sources of `codename` with other suites in its place: one-line ones, and paragraphs.
pub fn system_sources(system: &Path, codename: &str, suites: &[String]) -> (String, String) {
    let parts = fs::read_dir(system.join("sources.list.d")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = parts.map(|entry| entry.path()).collect();
    files.push(system.join("sources.list"));
    files.sort();
    let (mut lists, mut paragraphs) = (String::new(), String::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lists += &sources::from_list(&text, codename, suites),
            Some("sources") => paragraphs += &sources::from_paragraphs(&text, codename, suites),
            _ => {}
        }
    }
    (lists, paragraphs)
}

/// What makes apt use the private directory (apt.conf(5)). It runs as root there, since the user it
/// would become for a download may have no way into the clone.
fn configuration(directory: &Path) -> String {
    let inside = |name: &str| directory.join(name).display().to_string();
    [
        ("Dir::State::lists", inside("lists")),
        ("Dir::Cache", inside("cache")),
        ("Dir::Etc::sourcelist", "/dev/null".into()),
        ("Dir::Etc::sourceparts", inside("sources")),
        ("APT::Sandbox::User", "root".into()),
        ("Acquire::Languages", "none".into()),
    ]
    .map(|(name, value)| format!("{name} \"{value}\";\n"))
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN_12: &str =
        "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    const DEBIAN_13: &str = "VERSION_ID=\"13\"\nVERSION_CODENAME=trixie\nID=debian\n";
    const OTHER: &str = "ID=other\nID_LIKE=debian\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n";

    #[test]
    fn backports_are_for_a_debian_that_is_too_old() {
        let (old, new) = (Some(Version(7, 2)), Some(Version(10, 0)));
        let backports = Offer::Backports("bookworm".into());
        assert_eq!(Offer::from(old, DEBIAN_12), backports);
        assert_eq!(Offer::from(None, DEBIAN_12), backports);
        assert_eq!(Offer::from(new, DEBIAN_12), Offer::Configured);
        assert_eq!(Offer::from(None, DEBIAN_13), Offer::Configured);
        assert_eq!(Offer::from(None, OTHER), Offer::Configured);
        assert_eq!(Offer::from(Some(Version(6, 2)), OTHER), Offer::TooOld(Version(6, 2)));
        assert_eq!(Offer::from(None, ""), Offer::Configured);
    }

    #[test]
    fn the_candidate_is_read() {
        let policy =
            "qemu-system-arm:\n  Installed: (none)\n  Candidate: 1:7.2+dfsg-7+deb12u16\n  Version table:";
        assert_eq!(candidate_in(policy), Some(Version(7, 2)));
        assert_eq!(candidate_in("qemu-system-arm:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn the_private_apt_is_laid_out_from_the_systems_sources() {
        let (system, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = Backports::lay_out(ours.path(), system.path(), "oldname").unwrap_err();
        assert!(refused.to_string().contains("no mirror of oldname"), "{refused}");

        fs::create_dir(system.path().join("sources.list.d")).unwrap();
        let write = |name: &str, text: &str| fs::write(system.path().join(name), text).unwrap();
        write("sources.list", "deb http://one.example/debian oldname main\n");
        write("sources.list.d/off.list.disabled", "deb http://off.example/debian oldname main\n");
        write("sources.list.d/x.sources", "Types: deb\nURIs: http://two.example\nSuites: oldname\n");
        let apt = Backports::lay_out(ours.path(), system.path(), "oldname").unwrap();
        let read = |name: &str| fs::read_to_string(ours.path().join(name)).unwrap();
        assert!(read("sources/system.list").contains("http://one.example/debian oldname-backports main"));
        assert!(read("sources/system.sources").contains("http://two.example"));
        assert!(!read("sources/system.list").contains("off.example"));
        assert!(
            read("apt.conf").contains(&format!("Dir::State::lists \"{}/lists\";", ours.path().display()))
        );
        let [update, install] = apt.commands().map(|arguments| arguments.join(" "));
        assert!(update.ends_with("apt.conf update"), "{update}");
        assert!(install.ends_with("-t oldname-backports qemu-system-arm"), "{install}");
        apt.discard();
        assert!(!ours.path().exists());
    }
}
