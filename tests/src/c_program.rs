//! `tests/c/heaps.c`: a C program against glibc, compiled statically by the usual cross compiler and run by the
//! launcher. What it prints was written down once; it is the same on Linux.

use std::path::Path;

use anyhow::{Result, ensure};
use lastref::reference;
use libtest_mimic::Trial;

use crate::{launcher, trial};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/c/heaps.c");
const TRANSCRIPT: &str = include_str!("../c/heaps.expected");

/// With one CPU and with four: `c::heaps-1`, `c::heaps-4`.
pub fn trials() -> Vec<Trial> {
    ["1", "4"].map(|cpus| trial(format!("c::heaps-{cpus}"), move || heaps(cpus))).into()
}

fn heaps(cpus: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let program = directory.path().join("heaps");
    std::fs::write(&program, reference::compile_static(Path::new(SOURCE))?)?;
    let ran = launcher::run(["exec", "--smp", cpus, &program.to_string_lossy()])?;
    if let Some(difference) = first_difference(&ran.stdout, TRANSCRIPT) {
        anyhow::bail!("{difference}\nit printed:\n{}\n{}", ran.stdout, ran.stderr);
    }
    ensure!(ran.status == 0, "all was printed, and yet the status is {}\n{}", ran.status, ran.stderr);
    Ok(())
}

/// The first line that is not the same.
fn first_difference(printed: &str, expected: &str) -> Option<String> {
    let (mut printed, mut expected) = (printed.split('\n'), expected.split('\n'));
    let mut number = 0;
    loop {
        number += 1;
        match (printed.next(), expected.next()) {
            (None, None) => return None,
            (got, want) if got == want => {}
            (got, want) => return Some(format!("line {number} is {got:?}, not {want:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_seen() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        for other in ["", "a\n", "a\nb", "a\nb\nc\n", "a\nc\n", "b\nb\n"] {
            assert!(first_difference(other, "a\nb\n").is_some(), "{other:?}");
        }
    }
}
