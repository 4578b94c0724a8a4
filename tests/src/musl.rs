//! C programs against musl: Debian's, downloaded once with an apt of its own, and the cross compiler's code generator.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use lastref::install::{self, download};
use lastref::workspace;

/// The package with the library and its headers.
const PACKAGE: &str = "musl-dev";

/// Where the package has them, once unpacked.
const LIBRARY: &str = "usr/lib/aarch64-linux-musl";
const HEADERS: &str = "usr/include/aarch64-linux-musl";

/// Compiles one C program, warnings being errors; returns the static ELF file.
pub fn compile_static(source: &Path) -> Result<Vec<u8>> {
    let musl = obtain()?;
    let library = |name: &str| musl.join(LIBRARY).join(name);
    let directory = tempfile::tempdir()?;
    let program = directory.path().join("program");
    let mut gcc = Command::new(install::c_compiler()?);
    gcc.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]);
    // The helpers for atomics out of line ask glibc what the machine can.
    gcc.args(["-mno-outline-atomics", "-nostdinc", "-nostdlib", "-isystem"]).arg(musl.join(HEADERS));
    gcc.arg("-o").arg(&program).args(["crt1.o", "crti.o"].map(library)).arg(source);
    gcc.arg(library("libc.a")).arg("-lgcc").arg(library("libc.a")).arg(library("crtn.o"));
    let output = gcc.output().context("cannot run the C compiler")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} does not compile against musl:\n{said}", source.display());
    std::fs::read(program).context("the C compiler made no program")
}

/// The unpacked package: the one downloaded before, else one downloaded now.
pub fn obtain() -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let directory = workspace::root().join("target/musl");
    let kept = directory.join("root");
    if !kept.join(LIBRARY).join("libc.a").is_file() {
        ensure!(!install::is_forbidden(), "there is no musl yet, and nothing is downloaded (--no-install)");
        let unpacked = download::unpacked(PACKAGE, None, &directory).context("musl cannot be downloaded")?;
        // What is there and not whole is of no use.
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::rename(unpacked.keep(), &kept).context("musl cannot be kept")?;
    }
    Ok(kept)
}
