//! `lint`: clippy over what runs on the guest, with the toolchain that builds it.

use anyhow::{Context, Result, ensure};

use crate::build::PACKAGES;
use crate::install;

/// What both are built on: clippy's options only reach the packages it is told of.
const LIBRARY: &str = "lastref-heaps";

/// Runs clippy with warnings denied.
pub fn run() -> Result<u8> {
    let toolchain = &install::ready()?.toolchain;
    let clippy = toolchain.program("cargo-clippy");
    ensure!(
        clippy.is_file(),
        "there is no {}: install the clippy of that toolchain (rustup component add clippy, or \
         apt-get install rust-web-clippy)",
        clippy.display()
    );
    let mut command = toolchain.cargo("cargo-clippy", "clippy");
    command.args(PACKAGES.iter().chain(&[LIBRARY]).flat_map(|package| ["--package", package]));
    let status =
        command.args(["--keep-going", "--", "-D", "warnings"]).status().context("cannot run clippy")?;
    Ok(u8::from(!status.success()))
}
