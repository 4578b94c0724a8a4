//! Downloads a Debian package and unpacks it, with an apt of its own beside the system's.
//!
//! Only the mirrors are the system's. Lists, cache, architecture and release are private, so nothing is installed and
//! the system's own configuration is not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::backports::{os_release_field, system_sources};
use crate::{process, workspace};

/// How long the mirror's lists, the package, and unpacking it may take each.
const LIMIT: Duration = Duration::from_secs(600);

/// Downloads `package` as the release `suite` has it for arm64 (without one, the host's own release) and unpacks it
/// in a directory below `within` that goes when it is dropped.
pub fn unpacked(package: &str, suite: Option<&str>, within: &Path) -> Result<TempDir> {
    for tool in ["apt-get", "dpkg-deb"] {
        ensure!(workspace::which(tool).is_some(), "there is no {tool} on this host");
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename =
        os_release_field(&release, "VERSION_CODENAME").context("the host's release has no name")?;
    fs::create_dir_all(within)?;
    // Several may download at once: each in a directory of its own.
    let scratch = tempfile::Builder::new().prefix("apt-").tempdir_in(within)?;
    let at = scratch.path();
    lay_out(at, Path::new("/etc/apt"), &codename, suite.unwrap_or(&codename))?;
    eprintln!("lastref: downloading {package}");
    apt(at, &["-qq", "update"])?;
    apt(at, &["-qq", "download", package])?;
    let unpacked = tempfile::Builder::new().prefix("unpacked-").tempdir_in(within)?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("-x").arg(only_package(at)?).arg(unpacked.path());
    ensure!(process::succeeds(unpack, Some(LIMIT)), "the package cannot be unpacked");
    Ok(unpacked)
}

/// Makes a private apt's directory, with the system's mirrors of `codename` asked for `suite`.
fn lay_out(at: &Path, system: &Path, codename: &str, suite: &str) -> Result<()> {
    for name in ["lists/partial", "lists/auxfiles", "cache/archives/partial", "sources"] {
        fs::create_dir_all(at.join(name))?;
    }
    // Its security updates come from mirrors of their own.
    let sources =
        |part: &str| system_sources(system, &format!("{codename}{part}"), &[format!("{suite}{part}")]);
    let ((lists, paragraphs), (more_lists, more_paragraphs)) = (sources(""), sources("-security"));
    ensure!(
        !(lists.is_empty() && paragraphs.is_empty()),
        "{} names no mirror of {codename}",
        system.display()
    );
    fs::write(at.join("sources/system.list"), for_any_architecture(&(lists + &more_lists)))?;
    let paragraphs = format!("{paragraphs}\n{more_paragraphs}");
    fs::write(at.join("sources/system.sources"), for_any_architecture(&paragraphs))?;
    fs::write(at.join("status"), "")?;
    fs::write(at.join("apt.conf"), configuration(at))?;
    Ok(())
}

/// Sources without what limits them to the system's own architecture.
fn for_any_architecture(sources: &str) -> String {
    let lines = sources.lines().filter(|line| !line.to_ascii_lowercase().starts_with("architectures:"));
    let unlimited = lines.map(|line| match line.starts_with("deb ") {
        true => {
            line.split_whitespace().filter(|word| !word.starts_with("arch")).collect::<Vec<_>>().join(" ")
        }
        false => line.to_owned(),
    });
    unlimited.map(|line| line + "\n").collect()
}

/// What makes apt use the private directory (apt.conf(5)), and fetch no more than it takes.
fn configuration(at: &Path) -> String {
    let inside = |name: &str| at.join(name).display().to_string();
    let places = [
        ("Dir::State::lists", inside("lists")),
        ("Dir::State::status", inside("status")),
        ("Dir::Cache", inside("cache")),
        ("Dir::Etc::sourcelist", "/dev/null".into()),
        ("Dir::Etc::sourceparts", inside("sources")),
        ("APT::Architecture", "arm64".into()),
        ("APT::Architectures", "arm64".into()),
        ("APT::Sandbox::User", "root".into()),
        ("Acquire::Languages", "none".into()),
    ];
    let more = ["DEP-11", "DEP-11-icons-small", "DEP-11-icons", "DEP-11-icons-hidpi", "Contents-deb"];
    let unwanted =
        more.map(|target| format!("Acquire::IndexTargets::deb::{target}::DefaultEnabled \"false\";\n"));
    // A list that is set is added to.
    let places = places.map(|(name, value)| format!("{name} \"{value}\";\n"));
    format!("#clear APT::Architectures;\n{}{}", places.concat(), unwanted.concat())
}

/// Runs the private apt-get.
fn apt(at: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.arg("-c").arg(at.join("apt.conf")).args(arguments).current_dir(at);
    match process::succeeds(command, Some(LIMIT)) {
        true => Ok(()),
        false => bail!("apt-get {} failed", arguments.join(" ")),
    }
}

fn only_package(at: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(at)?.flatten().map(|entry| entry.path());
    let mut packages = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    packages.next().context("apt-get downloaded nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_for_any_architecture() {
        let sources = "deb [ signed-by=/k.gpg arch=amd64 ] http://mirror.example/debian oldname main\n\
            Types: deb\nArchitectures: amd64\nURIs: http://mirror.example/debian\n";
        assert_eq!(
            for_any_architecture(sources),
            "deb [ signed-by=/k.gpg ] http://mirror.example/debian oldname main\n\
             Types: deb\nURIs: http://mirror.example/debian\n"
        );
    }

    #[test]
    fn the_private_apt_is_for_arm64_and_of_the_systems_mirrors() {
        let (system, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = lay_out(ours.path(), system.path(), "oldname", "suite").unwrap_err();
        assert!(refused.to_string().contains("no mirror of oldname"), "{refused}");
        let mirrors =
            "deb http://mirror.example/d oldname main\ndeb http://mirror.example/s oldname-security main\n";
        fs::write(system.path().join("sources.list"), mirrors).unwrap();
        lay_out(ours.path(), system.path(), "oldname", "suite").unwrap();
        let read = |name: &str| fs::read_to_string(ours.path().join(name)).unwrap();
        let sources =
            "deb http://mirror.example/d suite main\ndeb http://mirror.example/s suite-security main\n";
        assert_eq!(read("sources/system.list"), sources);
        assert!(read("apt.conf").contains("APT::Architecture \"arm64\";"));
    }
}
