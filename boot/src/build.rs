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

use crate::detector::Detector;
use crate::toolchain::Toolchain;
use crate::{image, install, workspace};

/// The packages of the kernel and its modules.
pub const KERNEL: [&str; 10] = [
    "lastref-kernel",
    "lastref-cma-heap",
    "lastref-heap-facts",
    "lastref-holds-itself",
    "lastref-ledger",
    "lastref-metered-heap",
    "lastref-no-exit",
    "lastref-sg-probe",
    "lastref-system-heap",
    "lastref-tee-heap",
];
/// The package of the programs that run on it.
pub const USERLAND: &str = "lastref-userland";

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
    /// What finds uses of freed memory in it.
    pub detector: Detector,
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
    let (kernel, programs) = if own == of_kernel && detector == Detector::default() {
        let all = compile(toolchain, &own, detector, &[&KERNEL[..], &[USERLAND]].concat())?;
        all.into_iter().partition(|made| made.kind != Kind::Program)
    } else {
        // The programs are the same whatever kernel they run on.
        let kernel = compile(toolchain, &of_kernel, detector, &KERNEL)?;
        (kernel, compile(toolchain, &own, Detector::default(), &[USERLAND])?)
    };
    let (modules, kernels): (Vec<_>, Vec<_>) = kernel.into_iter().partition(|made| made.kind == Kind::Module);
    let kernel = kernels.into_iter().next().context("the build made no kernel")?.file;
    let elf = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let image = image::flatten(&elf).with_context(|| kernel.display().to_string())?;
    let _lock = lock(&detector.target(&of_kernel))?;
    let modules = modules.into_iter().map(|made| module(toolchain, made.file)).collect::<Result<_>>()?;
    let programs = programs
        .iter()
        .map(|made| Ok((file_name(&made.file), image::without_sections(fs::read(&made.file)?)?)))
        .collect::<Result<_>>()
        .context("cannot read the userland's programs")?;
    Ok(Guest { system: System::Lastref, detector, kernel, image, modules, programs })
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

/// Something that cargo made to be run.
#[derive(Debug, PartialEq, Eq)]
struct Executable {
    file: PathBuf,
    kind: Kind,
}

/// What it is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kernel,
    Module,
    Program,
}

/// Runs cargo in the workspace at `root` and returns the executables it made or found fresh.
fn compile(
    toolchain: &Toolchain,
    root: &Path,
    detector: Detector,
    packages: &[&str],
) -> Result<Vec<Executable>> {
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
fn executable(message: &str) -> Option<Executable> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let file = message["executable"].as_str().map(PathBuf::from)?;
    let mut above = Path::new(message["manifest_path"].as_str()?).ancestors().skip(1);
    let kind = match above.next()? {
        package if package.ends_with("kernel") => Kind::Kernel,
        _ if above.any(|above| above.ends_with("kernel/modules")) => Kind::Module,
        _ => Kind::Program,
    };
    Some(Executable { file, kind })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Takes the lock of `directory`, saying so when it has to wait. Dropping the file gives it back.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let path = directory.join(".lastref.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("lastref: waiting for another build in {} to end", directory.display());
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
        let made = |package: &str, file: &str| {
            executable(&format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/{package}/Cargo.toml","executable":{file}}}"#
            ))
        };
        for (package, kind) in
            [("kernel", Kind::Kernel), ("kernel/modules/a", Kind::Module), ("tests/userland", Kind::Program)]
        {
            assert_eq!(made(package, r#""/t/a""#), Some(Executable { file: "/t/a".into(), kind }));
        }
        assert_eq!(made("heaps", "null"), None);
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
