//! Builds the kernel and the userland with a nested cargo, at most once per process.
//!
//! Several launchers and tests may run at once: a file lock keeps one from reading what another is
//! writing, and what is read under the lock is kept in memory.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::toolchain::Toolchain;
use crate::{image, install, workspace};

/// The packages that run on the guest.
pub const PACKAGES: [&str; 2] = ["lastref-kernel", "lastref-userland"];

/// Whose kernel it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Ours.
    #[default]
    Lastref,
    /// Linux, with the first process of [`reference`](crate::reference).
    Linux,
}

/// What a machine boots: the kernel and the programs of the userland.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// Whose kernel it is.
    pub system: System,
    /// The kernel's ELF file, for its symbols.
    pub kernel: PathBuf,
    /// The kernel as a flat arm64 Image.
    pub image: Vec<u8>,
    /// The userland's programs: file name and ELF.
    pub programs: Vec<(String, Vec<u8>)>,
}

/// Builds the guest, or finds it fresh. Cargo's progress goes to stderr.
pub fn guest() -> Result<&'static Guest> {
    static GUEST: OnceLock<Result<Guest>> = OnceLock::new();
    GUEST.get_or_init(build).as_ref().map_err(|error| anyhow!("{error:#}"))
}

fn build() -> Result<Guest> {
    let toolchain = &install::ready()?.toolchain;
    let _lock = lock(&workspace::guest_target())?;
    let executables = compile(toolchain)?;
    let kernel = executables
        .iter()
        .find(|file| file.ends_with(PACKAGES[0]))
        .context("the build made no kernel")?
        .clone();
    let elf = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let image = image::flatten(&elf).with_context(|| kernel.display().to_string())?;
    let programs = executables
        .iter()
        .filter(|file| **file != kernel)
        .map(|file| Ok((file_name(file), image::without_sections(fs::read(file)?)?)))
        .collect::<Result<_>>()
        .context("cannot read the userland's programs")?;
    Ok(Guest { system: System::Lastref, kernel, image, programs })
}

/// Runs cargo and returns the executables it made or found fresh.
fn compile(toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    let mut cargo = toolchain.cargo("cargo", "build");
    cargo.args(["--bins", "--message-format=json-render-diagnostics"]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", toolchain.program("cargo").display()))?;
    let messages = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut executables = Vec::new();
    for message in messages.lines() {
        executables.extend(executable(&message?));
    }
    if !child.wait()?.success() {
        bail!("the guest did not build: see cargo's message above");
    }
    Ok(executables)
}

/// The executable that one of cargo's JSON messages announces, if it does.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    (message["reason"] == "compiler-artifact").then(|| message["executable"].as_str().map(PathBuf::from))?
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Takes the lock of `directory`, saying so when it has to wait. Dropping the file gives it back.
fn lock(directory: &Path) -> Result<File> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let path = directory.join(".lastref.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("lastref: waiting for another build of the guest to end");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the guest's directory"),
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let made = r#"{"reason":"compiler-artifact","target":{"name":"init"},"executable":"/t/init"}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"name":"heaps"},"executable":null}"#;
        assert_eq!(executable(made), Some(PathBuf::from("/t/init")));
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(executable("not json"), None);
    }

    #[test]
    fn the_lock_excludes_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        let other = File::open(directory.path().join(".lastref.lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
    }
}
