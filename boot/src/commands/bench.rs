//! `bench`: how many guest instructions boot and the hot calls take, beside Linux's.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::build::Guest;
use crate::cli::Options;
use crate::machine::{End, Machine, Outcome};
use crate::terminal::say;
use crate::{build, figures, interrupt, reference};

/// The most that boot may take, in guest instructions, with 512 MiB and one CPU.
const LIMIT: f64 = 8e6;

/// The program that measures.
const PROGRAM: &str = "bench";

/// Measures and prints, Linux's figures as they were written down or, with `linux`, as they are measured now; the
/// status is 1 when boot takes more than its limit.
pub fn run(options: &Options, linux: bool) -> Result<u8> {
    let guest = build::guest_with(options.detector)?;
    let linux = match linux {
        true => {
            let program = guest.programs.iter().filter(|(name, _)| name == PROGRAM).cloned().collect();
            let reference = reference::guest(program)?;
            Some(measure(&reference, options)?)
        }
        false => None,
    };
    let (boot, measured) = measure(guest, options)?;
    let (linux_boot, linux) = linux.unwrap_or_else(|| (figures::BOOT, figures::all().collect()));
    say(&table((boot, &measured), (linux_boot, &linux))?)?;
    if boot > LIMIT {
        eprintln!("lastref: boot takes more than {} guest instructions", grouped(LIMIT as u64));
    }
    Ok(u8::from(boot > LIMIT))
}

/// Guest instructions from reset to EL0, and per call by the call's name.
type Measured = (f64, BTreeMap<String, f64>);

/// Runs the program on a machine with this guest. Always the same machine, whatever the options say: the figures are
/// there to be compared.
fn measure(guest: &Guest, options: &Options) -> Result<Measured> {
    let mut machine = Machine::new(guest).cpus(1).memory(512).icount().command([format!("/bin/{PROGRAM}")]);
    if options.timeout.is_some() {
        machine = machine.limit(options.timeout);
    }
    interrupt::watch()?;
    let outcome = machine.capture()?;
    if let End::Interrupted(signal) = outcome.end {
        bail!("interrupted by signal {signal}");
    }
    let Some(boot) = outcome.log.lines().find_map(first_el0_instruction) else {
        bail!("it was not said when EL0 was reached; the log:\n{}", outcome.log);
    };
    Ok((boot as f64, measurements(&outcome)?))
}

/// Reads `lastref: first EL0 instruction at NS ns since reset`: with time counted in instructions,
/// a nanosecond is one.
fn first_el0_instruction(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("lastref: first EL0 instruction at ")?;
    rest.split_once(" ns since reset")?.0.parse().ok()
}

/// What the program measured: guest instructions per call, by name.
fn measurements(outcome: &Outcome) -> Result<BTreeMap<String, f64>> {
    let (stdout, stderr) =
        (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    ensure!(
        outcome.status() == Some(0),
        "the measurement failed: {:?}\n{stdout}{stderr}{}",
        outcome.end,
        outcome.reports
    );
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("bench "));
    lines.map(|line| measurement(line).with_context(|| format!("unreadable measurement: {line}"))).collect()
}

/// Reads `NAME COUNT NS`.
fn measurement(line: &str) -> Option<(String, f64)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let (count, total): (u64, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (count > 0 && words.next().is_none()).then(|| (name, total as f64 / count as f64))
}

/// A line for every call that figures are kept of: guest instructions here, on Linux, and the former over the latter.
fn table(ours: (f64, &BTreeMap<String, f64>), linux: (f64, &BTreeMap<String, f64>)) -> Result<String> {
    let mut table =
        format!("{:22} {:>14} {:>14} {:>8}\n", "instructions per call", "Lastref", "Linux 6.1", "ratio");
    let mut row = |name: &str, ours: f64, linux: f64| {
        // What takes less than the clock can tell is over nothing.
        let ratio = if linux > 0.0 { format!("{:.3}", ours / linux) } else { "-".into() };
        let (ours, linux) = (grouped(ours.round() as u64), grouped(linux.round() as u64));
        table += &format!("{name:22} {ours:>14} {linux:>14} {ratio:>8}\n");
    };
    row("boot-to-EL0", ours.0, linux.0);
    for (name, _) in figures::all() {
        let [here, there] = [ours.1, linux.1].map(|measured| measured.get(&name).copied());
        let (here, there) = here.zip(there).with_context(|| format!("the program did not measure {name}"))?;
        row(&name, here, there);
    }
    Ok(table)
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let line = "[    0.006] lastref: first EL0 instruction at 6123456 ns since reset";
        assert_eq!(first_el0_instruction(line), Some(6_123_456));
        assert_eq!(first_el0_instruction("lastref: first EL0 instruction at soon"), None);
        assert_eq!(first_el0_instruction("boot"), None);
    }

    #[test]
    fn measurements_are_read() {
        assert_eq!(measurement("cma-4K-alloc 200 5000"), Some(("cma-4K-alloc".to_owned(), 25.0)));
        for wrong in ["", "x", "x 1", "x 0 1", "x 1 -1", "x 1 2 3"] {
            assert_eq!(measurement(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_table_has_every_call_or_none() {
        let linux: BTreeMap<_, _> = figures::all().collect();
        let mut measured: BTreeMap<_, _> =
            linux.iter().map(|(name, took)| (name.clone(), took / 4.0)).collect();
        let drawn = table((4.4e6, &measured), (figures::BOOT, &linux)).unwrap();
        assert!(
            drawn.contains("\nboot-to-EL0                 4 400 000     44 000 000    0.100\n"),
            "{drawn}"
        );
        assert!(
            drawn.contains("\ncma-16M-touch               1 198 250      4 793 000    0.250\n"),
            "{drawn}"
        );
        measured.remove("cma-16M-touch");
        assert!(table((1.0, &measured), (1.0, &linux)).unwrap_err().to_string().contains("cma-16M-touch"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(8_000_000), "8 000 000");
    }
}
