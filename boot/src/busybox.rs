//! Busybox for the guest: Debian's static one for arm64, downloaded once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::install::{self, download};
use crate::{program, workspace};

/// The package it comes in.
const PACKAGE: &str = "busybox-static";

/// What else can be done.
const ADVICE: &str = "give a static arm64 busybox with --busybox FILE";

/// Busybox, as an ELF file: the one that was chosen, else the one downloaded before, else one downloaded now.
pub fn obtain(chosen: Option<&Path>) -> Result<Vec<u8>> {
    if let Some(chosen) = chosen {
        return program::read(chosen);
    }
    let directory = workspace::root().join("target/busybox");
    let kept = directory.join("busybox");
    if !kept.is_file() {
        ensure!(
            !install::is_forbidden(),
            "there is no busybox yet, and nothing is downloaded (--no-install); {ADVICE}"
        );
        fetch(&directory, &kept).with_context(|| format!("busybox cannot be downloaded; {ADVICE}"))?;
    }
    program::read(&kept)
}

/// Downloads the package and keeps the program that is in it; of several that do so at once, the last one's stays.
fn fetch(directory: &Path, kept: &Path) -> Result<()> {
    let unpacked = download::unpacked(PACKAGE, None, directory)?;
    let places = ["bin/busybox", "usr/bin/busybox"].map(|place| unpacked.path().join(place));
    let program =
        places.iter().find(|place| place.is_file()).context("there is no busybox in the package")?;
    program::read(program)?;
    fs::rename(program, kept).context("the program cannot be kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_one_is_checked() {
        assert!(obtain(Some(Path::new("/no/such/busybox"))).is_err());
    }
}
