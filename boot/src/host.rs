//! What this host has of what a machine needs: a toolchain for the guest, a linker, QEMU.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::{Lacking, TARGET, Toolchain};
use crate::version::{LEAST_QEMU, Version};
use crate::workspace;

/// QEMU's program for the machines booted here.
pub const QEMU: &str = "qemu-system-aarch64";

/// Everything that building and booting takes.
#[derive(Clone, Debug)]
pub struct Host {
    /// Builds the guest.
    pub toolchain: Toolchain,
    /// Runs it.
    pub qemu: PathBuf,
}

/// Something that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A compiler with a core library for the guest.
    Compiler,
    /// A linker for the guest.
    Linker,
    /// QEMU.
    Qemu,
    /// A newer QEMU than this one, whose memory tags do not work.
    NewerQemu(Version),
    /// A C compiler for Linux/arm64 with a static C library. Only tests take it.
    CCompiler,
    /// The tools that Linux is built with. Only the reference kernel takes them.
    KernelTools,
}

impl Missing {
    /// What it is, for a person.
    pub fn describe(self) -> String {
        match self {
            Missing::Compiler => format!("a Rust toolchain that can build for {TARGET}"),
            Missing::Linker => "the linker ld.lld".into(),
            Missing::Qemu => format!("QEMU ({QEMU}) {LEAST_QEMU} or later"),
            Missing::NewerQemu(version) => format!(
                "QEMU ({QEMU}) {LEAST_QEMU} or later (there is {version}, which keeps memory tags by the \
                 page: a use after free would go unseen)"
            ),
            Missing::KernelTools => format!("what Linux is built with ({})", KERNEL_TOOLS.join(", ")),
            Missing::CCompiler => format!("a C compiler and static library for Linux/arm64 ({})", GCC[0]),
        }
    }

    /// Whether it is QEMU, or a newer one.
    pub fn is_qemu(self) -> bool {
        matches!(self, Missing::Qemu | Missing::NewerQemu(_))
    }
}

impl Host {
    /// Looks for everything; tells all that is missing.
    pub fn survey() -> Result<Host, Vec<Missing>> {
        match (Toolchain::find(), find_qemu(workspace::all_of(QEMU))) {
            (Ok(toolchain), Ok(qemu)) => Ok(Host { toolchain, qemu }),
            (toolchain, qemu) => {
                let build = toolchain.err().map(|lacking| match lacking {
                    Lacking::Compiler => Missing::Compiler,
                    Lacking::Linker => Missing::Linker,
                });
                Err(build.into_iter().chain(qemu.err()).collect())
            }
        }
    }
}

/// The first of these QEMUs that is new enough.
fn find_qemu(candidates: impl Iterator<Item = PathBuf>) -> Result<PathBuf, Missing> {
    let mut newest = None;
    for qemu in candidates {
        // One that does not run, or does not say what it is, is none.
        let Some(version) = output_of(&qemu).and_then(|text| Version::of_qemu(&text)) else { continue };
        if version >= LEAST_QEMU {
            return Ok(qemu);
        }
        newest = newest.max(Some(version));
    }
    Err(newest.map_or(Missing::Qemu, Missing::NewerQemu))
}

/// Names that a C compiler for Linux/arm64 goes by, the usual one first.
const GCC: [&str; 2] = ["aarch64-linux-gnu-gcc", "aarch64-unknown-linux-gnu-gcc"];

/// Looks for a C compiler for Linux/arm64 that can link statically.
pub fn c_compiler() -> Result<PathBuf, Vec<Missing>> {
    let found = GCC.into_iter().filter_map(workspace::which).find(|gcc| has_static_library(gcc));
    found.ok_or_else(|| vec![Missing::CCompiler])
}

/// A compiler that has the library prints where; one that has not prints the name it was given.
fn has_static_library(gcc: &Path) -> bool {
    let output = Command::new(gcc).arg("-print-file-name=libc.a").output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}

/// Programs that Linux's build calls on the host.
const KERNEL_TOOLS: [&str; 6] = ["make", "gcc", "flex", "bison", "bc", "xz"];

/// Looks for what it takes to build Linux, besides the C compiler for arm64.
pub fn kernel_tools() -> Result<(), Vec<Missing>> {
    let all = KERNEL_TOOLS.into_iter().all(|tool| workspace::which(tool).is_some());
    if all { Ok(()) } else { Err(vec![Missing::KernelTools]) }
}

/// The first line that a program prints about its version.
pub fn version_of(program: &Path) -> Option<String> {
    output_of(program).map(|text| text.lines().next().unwrap_or_default().to_owned())
}

/// All that a program prints about its version.
fn output_of(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    if program.ends_with("rust-lld") {
        command.args(["-flavor", "gnu"]); // by that name it could be any linker
    }
    let output = command.arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A program of that name that runs `script`.
    fn fake(directory: &Path, name: &str, script: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn an_old_qemu_is_passed_over_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let says = |name: &str, version: &str| {
            fake(directory.path(), name, &format!("echo 'QEMU emulator version {version}'"))
        };
        let (old, older, new) = (says("a", "7.2.19 (Debian)"), says("b", "6.2.0"), says("c", "8.0.0"));
        let silent = fake(directory.path(), "d", "exit 1");
        let find = |candidates: &[&PathBuf]| find_qemu(candidates.iter().map(|&path| path.clone()));
        assert_eq!(find(&[&old, &silent, &new]), Ok(new.clone()));
        assert_eq!(find(&[&older, &old]), Err(Missing::NewerQemu(Version(7, 2))));
        assert_eq!(find(&[&silent]), Err(Missing::Qemu));
        assert_eq!(find(&[]), Err(Missing::Qemu));
        let told = Missing::NewerQemu(Version(7, 2)).describe();
        assert!(told.contains("8.0 or later") && told.contains("there is 7.2") && told.contains("unseen"));
    }
}
