//! Real Linux, to be compared with: Debian's Linux 6.1, built here with little more than what the comparison takes, on
//! the same machine as our own kernel.
//!
//! [`kernel`] gets it. Its process 1 is `init.c`, which mounts what our kernel mounts by itself and speaks the
//! console's framing, so that everything above a [`Machine`](crate::Machine) works with either.

mod kernel;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build::{Guest, System};
use crate::{install, workspace};

/// Process 1's source.
const INIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/reference/init.c");

/// The reference kernel, its modules and its process 1, with `programs` of the userland besides. The kernel is built the
/// first time, which takes minutes.
pub fn guest(programs: Vec<(String, Vec<u8>)>) -> Result<Guest> {
    let (image, modules) = kernel::image_and_modules()?;
    let init = compile_static(Path::new(INIT))?;
    let programs = std::iter::once(("init".to_owned(), init)).chain(programs).collect();
    Ok(Guest { system: System::Linux, image, modules, programs, ..Guest::default() })
}

/// Compiles one C program for Linux/arm64, warnings being errors; returns the static ELF file.
pub fn compile_static(source: &Path) -> Result<Vec<u8>> {
    let directory = tempfile::Builder::new().prefix("lastref-c-").tempdir()?;
    let program = directory.path().join("program");
    let mut gcc = Command::new(install::c_compiler()?);
    gcc.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o"]);
    let output = gcc.arg(&program).arg(source).output().context("cannot run the C compiler")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} does not compile:\n{said}", source.display());
    std::fs::read(program).context("the C compiler made no program")
}

/// Where the reference kernel is kept.
fn directory() -> std::path::PathBuf {
    workspace::root().join("target/reference")
}
