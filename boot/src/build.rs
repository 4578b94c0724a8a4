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

use crate::detector::Detector;
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
    /// What finds uses of freed memory in it.
    pub detector: Detector,
    /// The kernel's ELF file, for its symbols.
    pub kernel: PathBuf,
    /// The kernel as a flat arm64 Image.
    pub image: Vec<u8>,
    /// The userland's programs: file name and ELF.
    pub programs: Vec<(String, Vec<u8>)>,
}

/// Builds the guest with the default detector, or finds it fresh. Cargo's progress goes to stderr.
pub fn guest() -> Result<&'static Guest> {
    guest_with(Detector::default())
}

/// Builds the guest with a detector, or finds it fresh. Cargo's progress goes to stderr.
pub fn guest_with(detector: Detector) -> Result<&'static Guest> {
    static GUESTS: [OnceLock<Result<Guest>>; 2] = [const { OnceLock::new() }; 2];
    let guest = GUESTS[detector as usize].get_or_init(|| build(detector));
    guest.as_ref().map_err(|error| anyhow!("{error:#}"))
}

fn build(detector: Detector) -> Result<Guest> {
    let toolchain = &install::ready()?.toolchain;
    let (own, of_kernel) = (workspace::root(), workspace::kernel_root());
    let executables = if own == of_kernel && detector == Detector::default() {
        compile(toolchain, &own, detector, &PACKAGES)?
    } else {
        // The programs are the same whatever kernel they run on.
        let kernel = compile(toolchain, &of_kernel, detector, &PACKAGES[..1])?;
        [kernel, compile(toolchain, &own, Detector::default(), &PACKAGES[1..])?].concat()
    };
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
    Ok(Guest { system: System::Lastref, detector, kernel, image, programs })
}

/// Runs cargo in the workspace at `root` and returns the executables it made or found fresh.
fn compile(
    toolchain: &Toolchain,
    root: &Path,
    detector: Detector,
    packages: &[&str],
) -> Result<Vec<PathBuf>> {
    let _lock = lock(&detector.target(root))?;
    let mut cargo = toolchain.cargo("cargo", "build", root, detector);
    cargo.args(detector.features().iter().flat_map(|feature| ["--features", feature]));
    if root != workspace::root() {
        // A mutant's kernel is built for a run or two: what was compiled before it is used again.
        cargo.env("CARGO_PROFILE_GUEST_LTO", "off").env("CARGO_PROFILE_GUEST_INCREMENTAL", "true");
        cargo.env("CARGO_PROFILE_GUEST_CODEGEN_UNITS", "64");
    }
    cargo.args(["--bins", "--message-format=json-render-diagnostics"]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
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
