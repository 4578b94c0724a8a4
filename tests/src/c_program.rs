//! The C programs of `tests/c`, compiled statically by the usual cross compiler and run by the launcher. What they
//! print is the same on Linux; what stands in `NAME.expected` was printed there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lastref::reference;
use libtest_mimic::Trial;

use crate::frames::WATCHED;
use crate::launcher::{self, Ran};
use crate::{musl, obtained, tap, trial};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/c");
const TRANSCRIPT: &str = include_str!("../c/heaps.expected");

/// The programs that print TAP.
const CHECKS: [&str; 7] = ["filecalls", "locks", "mapfile", "memfd", "mounts", "names", "procmaps"];

/// The programs that any system would run: against glibc and against musl.
const COMMON: [&str; 6] = ["forks", "hello", "pthreads", "rights", "signals", "system"];

/// A C library.
#[derive(Clone, Copy)]
enum Library {
    Glibc,
    Musl,
}

impl Library {
    fn compile(self, name: &str) -> Result<Vec<u8>> {
        match self {
            Library::Glibc => reference::compile_static(&source(name)),
            Library::Musl => musl::compile_static(&source(name)),
        }
    }
}

/// The heaps with one CPU and with four, `c::heaps-1` and `c::heaps-4`; one trial for each program that prints TAP; and
/// for each common program one for each C library, `c::hello-glibc` and `c::hello-musl`.
pub fn trials() -> Vec<Trial> {
    let common = COMMON.into_iter().flat_map(|name| {
        let libraries = [("glibc", Library::Glibc), ("musl", Library::Musl)];
        libraries.map(|(with, library)| trial(format!("c::{name}-{with}"), move || common(name, library)))
    });
    let heaps = ["1", "4"].map(|cpus| trial(format!("c::heaps-{cpus}"), move || heaps(cpus)));
    let checks = CHECKS.map(|name| trial(format!("c::{name}"), move || checks(name)));
    heaps.into_iter().chain(checks).chain(common).collect()
}

fn source(name: &str) -> PathBuf {
    Path::new(SOURCES).join(name).with_extension("c")
}

fn run(name: &str, library: Library, cpus: &str) -> Result<Ran> {
    let directory = tempfile::tempdir()?;
    let program = directory.path().join(name);
    std::fs::write(&program, library.compile(name)?)?;
    launcher::run(["exec", "--smp", cpus, "--cmdline", WATCHED, &program.to_string_lossy()])
}

fn heaps(cpus: &str) -> Result<()> {
    held_to(TRANSCRIPT, &run("heaps", Library::Glibc, cpus)?)
}

fn common(name: &str, library: Library) -> Result<()> {
    if matches!(library, Library::Musl) && obtained("musl", musl::obtain())?.is_none() {
        return Ok(());
    }
    let expected = source(name).with_extension("expected");
    let expected = std::fs::read_to_string(&expected).with_context(|| expected.display().to_string())?;
    held_to(&expected, &run(name, library, "2")?)
}

/// Holds what a program printed, and its status, to a transcript.
fn held_to(transcript: &str, ran: &Ran) -> Result<()> {
    if let Some(difference) = first_difference(&ran.stdout, transcript) {
        anyhow::bail!("{difference}\nit printed:\n{}\n{}", ran.stdout, ran.stderr);
    }
    ensure!(ran.status == 0, "all was printed, and yet the status is {}\n{}", ran.status, ran.stderr);
    Ok(())
}

fn checks(name: &str) -> Result<()> {
    let ran = run(name, Library::Glibc, "2")?;
    let said = || format!("it printed:\n{}\n{}", ran.stdout, ran.stderr);
    let summary = tap::parse(&ran.stdout).with_context(said)?;
    ensure!(summary.failed.is_empty(), "failed: {}\n{}", summary.failed.join("; "), said());
    ensure!(ran.status == 0, "all checks held, and yet the status is {}\n{}", ran.status, said());
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
