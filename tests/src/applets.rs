//! Busybox's own programs: each script of `tests/sh` has them work on a tmpfs, and they have to print what the same
//! busybox printed on Linux, which is in `NAME.expected`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lastref::conformance::transcript::Transcript;
use lastref::{Machine, Outcome, build, busybox};
use libtest_mimic::Trial;

use crate::{obtained, transcript, trial};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sh");

/// Where the scripts are on the guest.
const ON_GUEST: &str = "/tmp/sh";

/// The scripts, by what they are about. `vi` wants a terminal: see [`shell`](crate::shell).
const APPLETS: [&str; 9] = ["sh", "awk", "sed", "sort", "tar", "gzip", "find", "xargs", "system"];

/// One trial a script: `applet::awk`; and `applet::small`, for the shell that takes busybox's place.
pub fn trials() -> Vec<Trial> {
    let applets = APPLETS.map(|name| trial(format!("applet::{name}"), move || applet(name)));
    applets.into_iter().chain([trial("applet::small", small)]).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(SCRIPTS).join(name).with_extension("sh")
}

fn expected(name: &str) -> Result<String> {
    let path = script(name).with_extension("expected");
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// What a shell makes of a script on a machine.
fn run(shell: &[&str], name: &str, busybox: Option<Vec<u8>>) -> Result<Outcome> {
    let path = format!("{ON_GUEST}/{name}.sh");
    let mut machine = Machine::new(build::guest()?).cpus(2).memory(512);
    for file in ["check", name] {
        machine = machine.file(format!("{ON_GUEST}/{file}.sh"), fs::read(script(file))?);
    }
    if let Some(busybox) = busybox {
        machine = machine.file("/bin/busybox", busybox);
    }
    let machine = machine.command(shell.iter().copied().chain([path.as_str()]));
    let outcome = machine.limit(Some(Duration::from_secs(300))).capture()?;
    ensure!(outcome.reports.is_empty(), "the kernel reported something\n{}", transcript::of(&outcome));
    Ok(outcome)
}

fn applet(name: &str) -> Result<()> {
    let linux = Transcript::parse(&expected(name)?)?;
    let Some(busybox) = obtained("busybox", busybox::obtain(None))? else { return Ok(()) };
    let outcome = run(&["/bin/busybox", "sh"], name, Some(busybox))?;
    // First of all: a script that ended before its time says less, too.
    ensure!(outcome.status() == Some(0), "the script's status is not 0\n{}", transcript::of(&outcome));
    let here = Transcript::parse(&String::from_utf8_lossy(&outcome.stdout))
        .with_context(|| transcript::of(&outcome))?;
    let different = linux.checks().filter(|&(check, result)| here.result(check) != Some(result));
    let different: Vec<_> = different
        .map(|(check, result)| format!("{check}: {:?} here, {result:?} on Linux", here.result(check)))
        .collect();
    if !different.is_empty() {
        bail!("{} of {} checks:\n{}", different.len(), linux.len(), different.join("\n"));
    }
    ensure!(here == linux, "there is more than on Linux, or it is in another order:\n{here}");
    Ok(())
}

fn small() -> Result<()> {
    let outcome = run(&["/bin/sh"], "small", None)?;
    let printed = String::from_utf8_lossy(&outcome.stdout);
    let expected = expected("small")?;
    for (number, (here, wanted)) in printed.lines().zip(expected.lines()).enumerate() {
        ensure!(here == wanted, "line {}: {here:?}, not {wanted:?}\n{printed}", number + 1);
    }
    ensure!(printed == expected, "it stops short, or says more:\n{printed}");
    ensure!(
        outcome.status() == Some(3),
        "the script exits with 3, the shell does not\n{}",
        transcript::of(&outcome)
    );
    Ok(())
}
