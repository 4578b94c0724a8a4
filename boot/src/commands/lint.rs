//! `lint`: clippy over what runs on the guest, with the toolchain that builds it.

use anyhow::{Context, Result, ensure};

use crate::build::{KERNEL, USERLAND};
use crate::detector::Detector;
use crate::toolchain::Toolchain;
use crate::{install, workspace};

/// What both are built on: clippy's options only reach the packages it is told of.
const LIBRARY: &str = "lastref-heaps";

/// Runs clippy with warnings denied, on the kernel with either detector.
pub fn run() -> Result<u8> {
    let toolchain = &install::ready()?.toolchain;
    let clippy = toolchain.program("cargo-clippy");
    ensure!(
        clippy.is_file(),
        "there is no {}: install the clippy of that toolchain (rustup component add clippy, or \
         apt-get install rust-web-clippy)",
        clippy.display()
    );
    let own = KERNEL.iter().chain(&[USERLAND, LIBRARY]).copied();
    let well = lint(toolchain, Detector::Mte, own)? & lint(toolchain, Detector::Kasan, KERNEL)?;
    Ok(u8::from(!well))
}

fn lint<'a>(
    toolchain: &Toolchain,
    detector: Detector,
    packages: impl IntoIterator<Item = &'a str>,
) -> Result<bool> {
    let mut command = toolchain.cargo("cargo-clippy", "clippy", &workspace::root(), detector);
    command.args(packages.into_iter().flat_map(|package| ["--package", package]));
    command.args(detector.features().iter().flat_map(|feature| ["--features", feature]));
    let status =
        command.args(["--keep-going", "--", "-D", "warnings"]).status().context("cannot run clippy")?;
    Ok(status.success())
}
