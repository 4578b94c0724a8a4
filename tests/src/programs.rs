//! The EL0 programs that print TAP: status and transcript both have to say that every check held.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use lastref::qemu::{Device, Hardware};
use lastref::regions::Region;
use lastref::{Machine, Outcome, build};
use libtest_mimic::Trial;
use userland::misuse::CASES;

use crate::frames::WATCHED;
use crate::{tap, transcript, trial};

/// A program and its machine.
struct Program {
    name: &'static str,
    cpus: u32,
    memory: u32,
    seconds: u64,
}

const fn program(name: &'static str, cpus: u32, memory: u32, seconds: u64) -> Program {
    Program { name, cpus, memory, seconds }
}

/// The trials of devices: a name, the device, the program, its argument, and what the kernel is told.
const DEVICES: [(&str, Device, Program, Option<&str>, &str); 4] = [
    ("edutest", Device::Edu, program("edutest", 2, 256, 120), None, ""),
    // Its DMA unit is too narrow, as far as the kernel knows.
    ("edutest-narrow", Device::Edu, program("edutest", 1, 256, 120), Some("narrow"), "edu.dma_bits=28"),
    ("fbtest", Device::Ramfb, program("fbtest", 2, 256, 120), None, ""),
    ("jobtest", Device::Edu, program("jobtest", 2, 256, 240), None, ""),
];

/// A trial of `edu` behind an IOMMU.
struct Translated {
    name: &'static str,
    program: Program,
    argument: Option<&'static str>,
    /// What the kernel is told.
    options: &'static str,
    /// What has to be in one line of its log.
    says: &'static [&'static str],
    /// Which faults it provokes, each of which is to be reported, and nothing else.
    faults: Faults,
}

/// Faults that a program provokes by pulling memory out from under a device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Faults {
    None,
    /// The device may be between two transfers just then.
    Possible,
    Certain,
}

const TRANSLATED: [Translated; 4] = [
    Translated {
        name: "edutest-iommu",
        program: program("edutest", 2, 256, 120),
        argument: None,
        options: "",
        says: &["iommu: edu is stream 0x"],
        faults: Faults::Possible,
    },
    Translated {
        name: "iommutest",
        program: program("iommutest", 2, 256, 120),
        argument: None,
        options: "",
        says: &["iommu: SMMUv3 at 0x"],
        faults: Faults::None,
    },
    Translated {
        name: "iommutest-narrow",
        program: program("iommutest", 1, 256, 120),
        argument: Some("narrow"),
        options: "edu.dma_bits=28",
        says: &["iommu: edu is stream 0x"],
        faults: Faults::None,
    },
    Translated {
        name: "jobtest-iommu",
        program: program("jobtest", 2, 256, 240),
        argument: Some("iommu"),
        options: "",
        says: &FAULT,
        faults: Faults::Certain,
    },
];

/// What the kernel reports of a transfer to memory that was pulled out.
const FAULT: [&str; 3] =
    ["BUG: lastref: device fault: edu (stream 0x", "): write to 0x", ": nothing is mapped there"];

/// The programs that are run without arguments.
const PROGRAMS: [Program; 18] = [
    program("drmtest", 2, 256, 120),
    program("eventtest", 2, 256, 60),
    program("fencetest", 2, 256, 120),
    program("filetest", 1, 256, 60),
    program("forktest", 2, 256, 60),
    program("fpsimd", 2, 256, 120),
    program("heaptest", 2, 256, 60),
    program("leaktest", 4, 256, 120),
    program("lendtest", 2, 256, 300),
    program("linktest", 2, 256, 60),
    program("mmaptest", 1, 256, 60),
    program("modtest", 1, 256, 60),
    program("oomtest", 2, 128, 120),
    program("scmtest", 2, 256, 60),
    program("socktest", 2, 256, 60),
    program("threads", 4, 256, 120),
    program("timetest", 2, 256, 120),
    program("vmtest", 1, 256, 60),
];

/// The machine for a case of wrong use: little memory, so that it is soon exhausted.
const MISUSE: Program = program("misuse", 1, 128, 120);

/// One trial a program, and one a case of wrong use: `program::forktest`, `misuse::bad-ioctl`.
pub fn trials() -> Vec<Trial> {
    let programs = PROGRAMS
        .iter()
        .map(|program| trial(format!("program::{}", program.name), || judge(&run(program, None)?)));
    let misuse = CASES
        .iter()
        .map(|case| trial(format!("misuse::{}", case.name), || judge(&run(&MISUSE, Some(case.name))?)));
    let devices = DEVICES.iter().map(|(name, device, program, argument, options)| {
        trial(format!("program::{name}"), || {
            let machine = machine(program, *argument)?.device(*device).kernel_arguments(options);
            judge(&machine.capture()?)
        })
    });
    let translated =
        TRANSLATED.iter().map(|case| trial(format!("program::{}", case.name), || judge_translated(case)));
    let regions = trial("program::heaptest-regions", || {
        judge(&run_with_regions(&program("heaptest", 2, 256, 60), Some("regions"), &[])?)
    });
    let orders = trial("program::ordertest", || {
        judge(&run_with_regions(&program("ordertest", 2, 256, 300), None, &[Device::Edu, Device::Ramfb])?)
    });
    programs.chain(misuse).chain(devices).chain(translated).chain([regions, orders]).collect()
}

fn judge_translated(case: &Translated) -> Result<()> {
    let machine = machine(&case.program, case.argument)?.device(Device::Edu).iommu();
    let outcome = machine.kernel_arguments(case.options).capture()?;
    faults(&outcome, case.faults).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(&outcome)))?;
    let said = outcome.log.lines().any(|line| case.says.iter().all(|part| line.contains(part)));
    ensure!(said, "the kernel's log has no line with {:?}\n{}", case.says, transcript::of(&outcome));
    Ok(())
}

/// Holds a program that provokes faults to its end, and to reports of those: each says what was mapped there, and who took
/// it away.
fn faults(outcome: &Outcome, provoked: Faults) -> Result<()> {
    if provoked == Faults::None || (provoked == Faults::Possible && outcome.reports.is_empty()) {
        return check(outcome);
    }
    let (mut reports, mut inside) = (Vec::new(), false);
    for line in outcome.reports.lines() {
        match line.starts_with("====") {
            true => inside = !inside,
            false if line.starts_with("BUG: ") => reports.push(vec![line]),
            false => reports.last_mut().context("a report without a beginning")?.push(line),
        }
    }
    ensure!(!reports.is_empty() && !inside, "there is no report, or half of one");
    for report in &reports {
        let says = |text: &str| report.iter().any(|line| line.contains(text));
        let [first, _, last] = FAULT;
        ensure!(report[0].starts_with(first) && report[0].ends_with(last), "another report: {}", report[0]);
        ensure!(says("Until then there was a buffer of 1 pages at 0x"), "no mapping in {report:?}");
        ensure!(says("Unmapped by task ") && says("revoke"), "nobody took it away in {report:?}");
    }
    check(&Outcome { reports: String::new(), ..outcome.clone() })
}

fn run(program: &Program, argument: Option<&str>) -> Result<Outcome> {
    machine(program, argument)?.capture()
}

/// On a machine with a region of each kind besides the default one.
fn run_with_regions(program: &Program, argument: Option<&str>, devices: &[Device]) -> Result<Outcome> {
    let Program { cpus, memory, .. } = *program;
    let devices = devices.to_vec();
    let hardware = Hardware { cpus, memory, regions: regions()?, devices, ..Hardware::default() };
    machine(program, argument)?.hardware(hardware).capture()
}

/// A region of each kind besides the default one: `camera`, `vision` and `secret`.
pub fn regions() -> Result<Vec<Region>> {
    Ok(vec![
        Region::parse_pool("camera=8M")?,
        Region::parse_carveout("vision=4M")?,
        Region::parse_protected("secret=4M")?,
    ])
}

fn machine(program: &Program, argument: Option<&str>) -> Result<Machine<'static>> {
    let path = format!("/bin/{}", program.name);
    let command = std::iter::once(path.as_str()).chain(argument);
    let machine = Machine::new(build::guest()?).cpus(program.cpus).memory(program.memory).command(command);
    let machine = machine.kernel_arguments(WATCHED);
    Ok(machine.limit(Some(Duration::from_secs(program.seconds))))
}

/// Holds a program's end to what it printed.
fn judge(outcome: &Outcome) -> Result<()> {
    check(outcome).map_err(|error| anyhow!("{error:#}\n{}", transcript::of(outcome)))
}

fn check(outcome: &Outcome) -> Result<()> {
    ensure!(!outcome.timed_out(), "the machine did not end in time");
    let summary = tap::parse(&String::from_utf8_lossy(&outcome.stdout))?;
    ensure!(
        summary.failed.is_empty(),
        "{} of {} failed: {}",
        summary.failed.len(),
        summary.run,
        summary.failed.join("; ")
    );
    ensure!(outcome.status() == Some(0), "all checks held, and yet the status is {:?}", outcome.status());
    // On this kernel there is nothing that could be missing.
    ensure!(summary.skipped.is_empty(), "skipped: {}", summary.skipped.join("; "));
    ensure!(outcome.reports.is_empty(), "the kernel reported something");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastref::End;

    fn outcome(stdout: &str, end: End, reports: &str) -> Outcome {
        Outcome {
            end,
            stdout: stdout.into(),
            stderr: Vec::new(),
            log: reports.into(),
            reports: reports.into(),
            records: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    const GOOD: &str = "TAP version 13\nok 1 - a\n1..1\n";
    const BAD: &str = "TAP version 13\nnot ok 1 - a\n1..1\n";
    const SKIPPED: &str = "TAP version 13\nok 1 - a # SKIP b\n1..1\n";

    const REPORT: &str = "======\nBUG: lastref: device fault: edu (stream 0x8): write to 0x1000: nothing is mapped there\n\
        Until then there was a buffer of 1 pages at 0x1000, whose memory begins at 0x4000\n\nUnmapped by task 3 on CPU 0:\n \
        revoke+0x4 (a.rs:3)\n======\n";

    #[test]
    fn faults_that_are_provoked_are_reported_and_nothing_else() {
        let fine = End::Status(0);
        faults(&outcome(GOOD, fine, REPORT), Faults::Certain).unwrap();
        faults(&outcome(GOOD, fine, &REPORT.repeat(2)), Faults::Certain).unwrap();
        faults(&outcome(GOOD, fine, ""), Faults::Certain).unwrap_err();
        faults(&outcome(BAD, fine, REPORT), Faults::Certain).unwrap_err();
        faults(
            &outcome(GOOD, fine, &format!("{REPORT}======\nBUG: lastref: oops\n======\n")),
            Faults::Certain,
        )
        .unwrap_err();
        for without in ["BUG: ", "nothing is mapped", "Until then", "Unmapped", "revoke"] {
            faults(&outcome(GOOD, fine, &REPORT.replace(without, "?")), Faults::Certain).expect_err(without);
        }
        faults(&outcome(GOOD, fine, REPORT), Faults::Possible).unwrap();
        faults(&outcome(GOOD, fine, ""), Faults::Possible).unwrap();
        faults(&outcome(GOOD, fine, "BUG"), Faults::Possible).unwrap_err();
        faults(&outcome(GOOD, fine, REPORT), Faults::None).unwrap_err();
    }

    #[test]
    fn status_transcript_and_reports_must_agree() {
        let fine = End::Status(0);
        judge(&outcome(GOOD, fine, "")).unwrap();
        for (stdout, end, reports) in [
            (BAD, fine, ""),
            (BAD, End::Status(1), ""),
            (GOOD, End::Status(1), ""),
            (GOOD, End::Status(101), ""),
            (GOOD, End::TimedOut, ""),
            (GOOD, fine, "BUG"),
            (SKIPPED, fine, ""),
            ("", fine, ""),
        ] {
            judge(&outcome(stdout, end, reports)).expect_err(stdout);
        }
    }
}
