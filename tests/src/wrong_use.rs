//! The launcher used wrongly: each time a status and a sentence that says what is wrong. And used rightly, where
//! only a process can show it: that the guest's status becomes its own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lastref::build;
use libtest_mimic::Trial;

use crate::elf::{AARCH64, PT_INTERP, PT_LOAD, X86_64, executable};
use crate::launcher::{self, Ran};
use crate::trial;

/// The status for a command line that cannot be.
const USAGE: i32 = 2;
/// The status for a launcher that could not do its work.
const FAILED: i32 = 125;

/// A name, the command line, the status, and what standard error has to mention. `@` at the start of
/// an argument stands for a directory with the files that [`prepare`] makes.
type Case = (&'static str, &'static [&'static str], i32, &'static str);

/// An id that is one, whatever comes of it.
const ID: &str = "H3-get.kref.r-a2b11a-0371253a";

const WRONG: [Case; 31] = [
    ("unknown-subcommand", &["frobnicate"], USAGE, "frobnicate"),
    ("unknown-option", &["--frobnicate"], USAGE, "--frobnicate"),
    ("no-program", &["exec"], USAGE, "PROG"),
    ("nothing-to-trace", &["exec", "--strace"], USAGE, "PROG"),
    ("trace-of-demo", &["demo", "--strace"], USAGE, "--strace"),
    ("missing-file", &["exec", "@/missing"], FAILED, "no such file"),
    ("directory", &["exec", "@"], FAILED, "is a directory"),
    ("device", &["exec", "/dev/null"], FAILED, "not a regular file"),
    ("empty-file", &["exec", "@/empty"], FAILED, "not an ELF file"),
    ("script", &["exec", "@/script"], FAILED, "not an ELF file"),
    ("x86-elf", &["exec", "@/x86"], FAILED, "x86-64"),
    ("dynamic-elf", &["exec", "@/dynamic"], FAILED, "dynamically"),
    ("truncated-elf", &["exec", "@/truncated"], FAILED, "truncated"),
    ("truncated-header", &["exec", "@/header"], FAILED, "truncated"),
    ("little-memory", &["exec", "--mem", "1M", "@/code"], USAGE, "at least"),
    ("much-memory", &["exec", "--mem", "9999G", "@/code"], USAGE, "at most"),
    ("no-memory", &["exec", "--mem", "lots", "@/code"], USAGE, "512M"),
    ("no-cpus", &["exec", "--smp", "0", "@/code"], USAGE, "--smp"),
    ("many-cpus", &["exec", "--smp", "1000", "@/code"], USAGE, "--smp"),
    ("no-number-of-cpus", &["exec", "--smp", "two", "@/code"], USAGE, "--smp"),
    ("unknown-discipline", &["--discipline", "mine"], USAGE, "kref-full"),
    ("unknown-scenario", &["demo", "H99"], USAGE, "no such scenario"),
    ("unknown-id", &["demo", "--replay", "H3-get.kref.r-a2b11a-0371253b"], USAGE, "no such id"),
    ("id-of-another-scenario", &["demo", "H1", "--replay", ID], USAGE, "that id is of H3-get under kref"),
    (
        "id-of-another-discipline",
        &["demo", "H3", "--discipline", "lastref", "--replay", ID],
        USAGE,
        "under kref",
    ),
    ("no-region", &["exec", "--cma", "0", "@/true"], USAGE, "multiple of 2M"),
    ("two-default-regions", &["exec", "--cma", "8M", "--cma", "8M", "@/true"], FAILED, "without a name"),
    (
        "region-called-twice",
        &["exec", "--cma", "a=8M", "--carveout", "a=8M", "@/true"],
        FAILED,
        "are called a",
    ),
    ("region-called-system", &["exec", "--carveout", "system=8M", "@/true"], FAILED, "called system"),
    (
        "regions-overlap",
        &["exec", "--cma", "8M@0x50000000", "--protected", "a=8M@0x50400000", "@/true"],
        FAILED,
        "two regions overlap",
    ),
    ("missing-put", &["exec", "--put", "@/missing:/x", "@/true"], FAILED, "cannot put"),
];

/// Programs of the guest's run by `exec`: a name, the command line, the status.
const STATUS: [(&str, &[&str], i32); 3] = [
    ("true", &["exec", "@/true"], 0),
    ("42", &["exec", "--smp", "2", "@/forktest", "--exit", "42"], 42),
    // Killed by SIGSEGV: 128 and 11.
    ("killed", &["exec", "@/scenario", "canary-crash"], 139),
];

/// One trial a command line: `launcher::x86-elf`, `launcher::status-42`, and the two commands that end well.
pub fn trials() -> Vec<Trial> {
    let wrong = WRONG.map(|(name, arguments, status, says)| {
        trial(format!("launcher::{name}"), move || {
            let ran = run(arguments)?;
            refused(&ran, status, says).with_context(|| format!("{ran:?}"))
        })
    });
    let status = STATUS.map(|(name, arguments, status)| {
        trial(format!("launcher::status-{name}"), move || {
            let ran = run(arguments)?;
            ensure!(ran.status == status, "the status is not {status}: {ran:?}");
            Ok(())
        })
    });
    let others = [
        trial("launcher::demo-H1-lastref", || {
            let ran = run(&["demo", "H1", "--discipline", "lastref"])?;
            ensure!(ran.status == 0 && ran.stdout.contains("verdict: ok"), "{ran:?}");
            Ok(())
        }),
        trial("launcher::bench", || {
            let ran = run(&["bench"])?;
            ensure!(ran.status == 0, "boot takes too long, or the kernel does not say how long: {ran:?}");
            Ok(())
        }),
    ];
    wrong.into_iter().chain(status).chain(others).collect()
}

fn run(arguments: &[&str]) -> Result<Ran> {
    let directory = tempfile::tempdir()?;
    prepare(directory.path(), arguments).context("cannot make the files")?;
    let path = directory.path().to_string_lossy();
    // Within an argument it stands for itself, as in a region's address.
    let expanded = |argument: &str| match argument.strip_prefix('@') {
        Some(rest) => format!("{path}{rest}"),
        None => argument.to_owned(),
    };
    launcher::run(arguments.iter().map(|argument| expanded(argument)))
}

/// Makes the files that the command line mentions.
fn prepare(directory: &Path, arguments: &[&str]) -> Result<()> {
    let whole = executable(AARCH64, PT_LOAD, b"code");
    for name in arguments.iter().filter_map(|argument| argument.strip_prefix("@/")) {
        let content = match name {
            "empty" => Vec::new(),
            "script" => b"#!/bin/sh\nexit 0\n".to_vec(),
            "code" => whole.clone(),
            "x86" => executable(X86_64, PT_LOAD, b"code"),
            "dynamic" => executable(AARCH64, PT_INTERP, b"/lib/ld-linux-aarch64.so.1\0"),
            "truncated" => whole[..whole.len() - 1].to_vec(),
            "header" => whole[..40].to_vec(),
            "forktest" | "scenario" | "true" => program(name)?,
            _ => continue,
        };
        fs::write(directory.join(name), content)?;
    }
    Ok(())
}

/// A program of the userland's.
fn program(name: &str) -> Result<Vec<u8>> {
    let programs = &build::guest()?.programs;
    let found = programs.iter().find(|(known, _)| known == name);
    found.map(|(_, elf)| elf.clone()).with_context(|| format!("the userland has no {name}"))
}

fn refused(ran: &Ran, status: i32, says: &str) -> Result<()> {
    ensure!(ran.status == status, "the status is not {status}");
    ensure!(ran.stderr.contains(says), "standard error does not mention {says:?}");
    ensure!(ran.stdout.is_empty(), "something is on standard output");
    ensure!(!ran.stderr.contains("panicked at"), "the launcher panicked");
    Ok(())
}
