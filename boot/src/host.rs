//! What this host has of what a machine needs: a toolchain for the guest, a linker, QEMU.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::{Lacking, TARGET, Toolchain};
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
    /// A C compiler for Linux/arm64 with a static C library. Only tests take it.
    CCompiler,
}

impl Missing {
    /// What it is, for a person.
    pub fn describe(self) -> String {
        match self {
            Missing::Compiler => format!("a Rust toolchain that can build for {TARGET}"),
            Missing::Linker => "the linker ld.lld".into(),
            Missing::Qemu => format!("QEMU ({QEMU})"),
            Missing::CCompiler => format!("a C compiler and static library for Linux/arm64 ({})", GCC[0]),
        }
    }
}

impl Host {
    /// Looks for everything; tells all that is missing.
    pub fn survey() -> Result<Host, Vec<Missing>> {
        match (Toolchain::find(), workspace::which(QEMU)) {
            (Ok(toolchain), Some(qemu)) => Ok(Host { toolchain, qemu }),
            (toolchain, qemu) => {
                let build = toolchain.err().map(|lacking| match lacking {
                    Lacking::Compiler => Missing::Compiler,
                    Lacking::Linker => Missing::Linker,
                });
                Err(build.into_iter().chain(qemu.is_none().then_some(Missing::Qemu)).collect())
            }
        }
    }
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

/// The first line that a program prints about its version.
pub fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
