//! What programs see here, held to what they see on Linux.
//!
//! The programs are C files under `tests/c/conformance`. Each prints one line for each of its checks; what it
//! printed on the reference kernel is kept beside it ([`transcript`]), and what may differ here is listed, each with
//! its reason ([`differences`]). What is measured has to be no worse ([`bound`]). What only a module can do they have done by modules that both kernels have. The table
//! `facts` says which check shows what programs rely on.

pub mod bound;
pub mod differences;
#[cfg(test)]
mod facts;
pub mod transcript;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::build::Guest;
use crate::machine::{End, Machine};
use crate::qemu::Hardware;
use crate::regions::Region;
use crate::{reference, workspace};
use differences::{Comparison, Differences};
use transcript::Transcript;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The region for contiguous buffers where the device tree sets none aside: of the same size on both kernels.
const REGION: &str = "cma=64M";

/// A program, by its name: the file's without `.c`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program(String);

impl Program {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    fn source(&self) -> PathBuf {
        directory().join(format!("{}.c", self.0))
    }

    fn stored_at(&self) -> PathBuf {
        directory().join(format!("{}.expected", self.0))
    }

    /// What it printed on Linux when that was recorded.
    pub fn stored(&self) -> Result<Transcript> {
        let path = self.stored_at();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Transcript::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Keeps what it printed on Linux.
    pub fn store(&self, transcript: &Transcript) -> Result<()> {
        let path = self.stored_at();
        fs::write(&path, transcript.to_string()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The memory that its machine's device tree sets aside for heaps.
    fn regions(&self) -> Result<Vec<Region>> {
        match self.name() {
            "nodes" => Ok(vec![
                Region::parse_pool("16M")?,
                Region::parse_pool("camera=8M")?,
                Region::parse_carveout("video=8M")?,
                Region::parse_protected("secret=8M")?,
            ]),
            _ => Ok(Vec::new()),
        }
    }

    /// Compiles it and runs it on a machine with this guest. Anything but a whole transcript, status 0 and no
    /// report of the kernel's is an error.
    pub fn run(&self, guest: &Guest) -> Result<Transcript> {
        let path = format!("/bin/{}", self.0);
        let elf = reference::compile_static(&self.source())?;
        let hardware = Hardware { cpus: 2, memory: 256, regions: self.regions()?, ..Hardware::default() };
        let region = if hardware.regions.is_empty() { REGION } else { "" };
        let machine = Machine::new(guest).hardware(hardware).kernel_arguments(region).limit(Some(LIMIT));
        let machine = machine.file(path.clone(), elf);
        let outcome = machine.command([path]).capture()?;
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        let said = || {
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            format!("it printed:\n{}{stderr}{}", tail(&stdout), outcome.reports)
        };
        match outcome.end {
            End::Status(0) => {}
            End::Interrupted(signal) => bail!("interrupted by signal {signal}"),
            end => bail!("{}: {end:?}; {}", self.0, said()),
        }
        ensure!(outcome.reports.is_empty(), "{}: the kernel reported something; {}", self.0, said());
        Transcript::parse(&stdout).with_context(|| format!("{}: {}", self.0, said()))
    }

    /// Runs it here, and holds what it printed to what it printed on Linux.
    pub fn compare(&self, guest: &Guest, differences: &Differences) -> Result<Comparison> {
        let linux = self.stored()?;
        differences.compare(&self.0, &linux, self.run(guest))
    }
}

/// The end of what may be very long.
fn tail(text: &str) -> &str {
    const SHOWN: usize = 4096;
    let from = text.len().saturating_sub(SHOWN);
    (from..text.len()).find_map(|at| text.get(at..)).unwrap_or_default()
}

/// Every program there is, in order of their names.
pub fn programs() -> Result<Vec<Program>> {
    let directory = directory();
    let files = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
    let mut programs: Vec<_> =
        names.filter_map(|name| Some(Program(name.strip_suffix(".c")?.to_owned()))).collect();
    programs.sort();
    ensure!(!programs.is_empty(), "there are no programs in {}", directory.display());
    Ok(programs)
}

/// The differences that are listed.
pub fn listed() -> Result<Differences> {
    let path = directory().join("differences");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Differences::parse(&text).with_context(|| format!("in {}", path.display()))
}

fn directory() -> PathBuf {
    workspace::root().join("tests/c/conformance")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No fewer checks than these may be left.
    const LEAST_CHECKS: usize = 3340;
    /// No fewer facts.
    const LEAST_FACTS: usize = 130;

    #[test]
    fn every_program_has_a_transcript_and_every_listed_difference_and_every_fact_a_check() {
        let (programs, listed) = (programs().unwrap(), listed().unwrap());
        let stored: Vec<_> =
            programs.iter().map(|program| (program.name(), program.stored().unwrap())).collect();
        let checks: usize = stored.iter().map(|(_, transcript)| transcript.len()).sum();
        assert!(checks >= LEAST_CHECKS, "{checks} checks");
        let lookup = |name: &str| stored.iter().find(|(of, _)| *of == name).map(|(_, transcript)| transcript);
        listed.fit(lookup).unwrap();
        let facts = fs::read_to_string(directory().join("facts")).unwrap();
        let facts = facts::hold(&facts, &listed, lookup).unwrap();
        assert!(facts >= LEAST_FACTS, "{facts} facts");
    }
}
