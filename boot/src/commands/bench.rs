//! `bench`: how many guest instructions lie between reset and the first one at EL0.

use anyhow::{Context, Result, bail};

use crate::cli::Options;
use crate::machine::{End, Machine};
use crate::{build, interrupt};

/// The most that boot may take, in guest instructions, with 512 MiB and one CPU.
const LIMIT: u64 = 8_000_000;

/// Measures and prints; the status is 1 above the limit.
pub fn run(options: &Options) -> Result<u8> {
    // Always the same machine, whatever the options say: the figure is there to be compared.
    let mut machine = Machine::new(build::guest()?).icount().command(["/bin/true"]);
    if options.timeout.is_some() {
        machine = machine.limit(options.timeout);
    }
    interrupt::watch()?;
    let outcome = machine.capture()?;
    if let End::Interrupted(signal) = outcome.end {
        bail!("interrupted by signal {signal}");
    }
    let Some(count) = outcome.log.lines().find_map(first_el0_instruction) else {
        bail!("the kernel did not say when it reached EL0; its log:\n{}", outcome.log);
    };
    println!(
        "boot to the first EL0 instruction: {} guest instructions (limit {})",
        grouped(count),
        grouped(LIMIT)
    );
    Ok(u8::from(count > LIMIT))
}

/// Reads `lastref: first EL0 instruction at NS ns since reset`: with time counted in instructions,
/// a nanosecond is one.
fn first_el0_instruction(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("lastref: first EL0 instruction at ")?;
    rest.split_once(" ns since reset").context("").ok()?.0.parse().ok()
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
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(8_000_000), "8 000 000");
    }
}
