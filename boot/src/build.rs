//! Builds the kernel, its modules and the userland with a nested cargo, at most once per process.
//!
//! Several launchers and tests may run at once: a file lock keeps one from reading what another is
//! writing, and what is read under the lock is kept in memory.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::toolchain::Toolchain;
use crate::{image, install, workspace};

/// The packages that run on the guest: the kernel, its modules, and the userland.
pub const PACKAGES: [&str; 7] = [
    "lastref-kernel",
    "lastref-cma-heap",
    "lastref-ledger",
    "lastref-metered-heap",
    "lastref-system-heap",
    "lastref-tee-heap",
    "lastref-userland",
];

/// Whose kernel it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Ours.
    #[default]
    Lastref,
    /// Linux, with the first process of [`reference`](crate::reference).
    Linux,
}

/// What a machine boots: the kernel, its modules and the programs of the userland.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// Whose kernel it is.
    pub system: System,
    /// The kernel's ELF file, for its symbols.
    pub kernel: PathBuf,
    /// The kernel as a flat arm64 Image.
    pub image: Vec<u8>,
    /// The kernel's modules.
    pub modules: Vec<Module>,
    /// The userland's programs: file name and ELF.
    pub programs: Vec<(String, Vec<u8>)>,
}

/// A module of the kernel.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The object as it was linked, for its symbols and line tables.
    pub object: PathBuf,
    /// The file that the guest loads, without what only a debugger reads.
    pub file: Vec<u8>,
}

/// Something that cargo made to be run.
#[derive(Debug, PartialEq, Eq)]
struct Executable {
    file: PathBuf,
    is_module: bool,
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
    let (modules, executables): (Vec<_>, Vec<_>) = executables.into_iter().partition(|made| made.is_module);
    let (kernels, programs): (Vec<_>, Vec<_>) =
        executables.into_iter().map(|made| made.file).partition(|file| file.ends_with(PACKAGES[0]));
    let kernel = kernels.into_iter().next().context("the build made no kernel")?;
    let elf = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let image = image::flatten(&elf).with_context(|| kernel.display().to_string())?;
    let modules = modules.into_iter().map(|made| module(toolchain, made.file)).collect::<Result<_>>()?;
    let programs = programs
        .iter()
        .map(|file| Ok((file_name(file), image::without_sections(fs::read(file)?)?)))
        .collect::<Result<_>>()
        .context("cannot read the userland's programs")?;
    Ok(Guest { system: System::Lastref, kernel, image, modules, programs })
}

/// Makes the file that the guest loads of a module's object.
fn module(toolchain: &Toolchain, object: PathBuf) -> Result<Module> {
    let file = object.with_extension("ko");
    let status = toolchain
        .linker()
        .args(["-r", "-T"])
        .arg(workspace::root().join("kernel/modules/strip.ld"))
        .arg("-o")
        .args([&file, &object])
        .status()
        .with_context(|| format!("cannot run {}", toolchain.linker.display()))?;
    ensure!(status.success(), "{} could not be stripped", object.display());
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Module { name: file_name(&object), object, file: bytes })
}

/// Runs cargo and returns the executables it made or found fresh.
fn compile(toolchain: &Toolchain) -> Result<Vec<Executable>> {
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
fn executable(message: &str) -> Option<Executable> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let file = message["executable"].as_str().map(PathBuf::from)?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let is_module = manifest.ancestors().any(|above| above.ends_with("kernel/modules"));
    Some(Executable { file, is_module })
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
        let made = r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/userland/Cargo.toml","executable":"/t/init"}"#;
        let module = r#"{"reason":"compiler-artifact","manifest_path":"/w/kernel/modules/a/Cargo.toml","executable":"/t/a"}"#;
        let library =
            r#"{"reason":"compiler-artifact","manifest_path":"/w/heaps/Cargo.toml","executable":null}"#;
        assert_eq!(executable(made), Some(Executable { file: "/t/init".into(), is_module: false }));
        assert_eq!(executable(module), Some(Executable { file: "/t/a".into(), is_module: true }));
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
