//! The command line: `cargo run -- [OPTIONS] [COMMAND] [OPTIONS]`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::detector::Detector;
use crate::initramfs::Put;
use crate::plan::{self, DISCIPLINES, Scenario};
use crate::qemu::{self, Hardware};
use crate::regions::Region;
use crate::replay::Id;

/// Who holds the last reference to a dma-buf heap, and what happens when nobody does.
///
/// Without a command, every scenario is run under every discipline and the matrix of verdicts printed.
#[derive(Debug, Parser)]
#[command(name = "lastref", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// Options, which may stand before or after the command.
    #[command(flatten)]
    pub options: Options,
    /// What to do; `demo` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the launcher can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the verdict matrix, or tell one scenario step by step.
    Demo {
        /// A hazard's number or name, as in H1 or close-after-free.
        #[arg(value_parser = parse_scenarios)]
        scenario: Option<Scenarios>,
        /// Play a verdict again, in the same order of steps, by the id that was printed with it
        #[arg(long, value_name = "ID", conflicts_with = "racing")]
        replay: Option<Id>,
        /// How to race instead.
        #[command(flatten)]
        racing: Racing,
    },
    /// Boot and run a static Linux/arm64 program of this host's, with its output and exit status.
    ///
    /// The status is the program's own, 128+N when signal N killed it, 101 when the kernel panicked,
    /// 124 at the time-out, and 125 when the launcher failed.
    #[command(override_usage = "lastref exec [OPTIONS] PROG [ARG]...")]
    Exec {
        /// Print every system call on stderr, as strace does
        #[arg(long)]
        strace: bool,
        /// The program, and its arguments; those that begin with - are the program's too.
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "PROG")]
        command: Vec<String>,
    },
    /// Boot into a shell: busybox's, with this terminal for its own.
    ///
    /// The status is the shell's own.
    Shell {
        /// A static busybox for Linux/arm64, instead of Debian's
        #[arg(long, value_name = "FILE")]
        busybox: Option<PathBuf>,
    },
    /// Boot and wait for a debugger before the first instruction.
    #[command(override_usage = "lastref gdb [OPTIONS] [PROG [ARG]...]")]
    Gdb {
        /// The TCP port to wait on.
        #[arg(long, default_value_t = 1234)]
        port: u16,
        /// A program of this host's to run, and its arguments; without it, the scenario H1.
        #[arg(num_args = 0.., trailing_var_arg = true, value_name = "PROG")]
        command: Vec<String>,
    },
    /// Count the guest instructions of boot and of the hot calls, and compare them with Linux.
    Bench {
        /// Measure Linux now, on the reference kernel, rather than take figures written down earlier
        #[arg(long)]
        linux: bool,
    },
    /// Run a program on real Linux, the reference kernel, as exec does on ours.
    ///
    /// Without a program, only build that kernel: Linux 6.1 from Debian's source package, downloaded into target/
    /// and built there once, which takes some minutes.
    #[command(override_usage = "lastref reference [OPTIONS] [PROG [ARG]...]")]
    Reference {
        /// The program, and its arguments; those that begin with - are the program's too.
        #[arg(num_args = 0.., trailing_var_arg = true, value_name = "PROG")]
        command: Vec<String>,
    },
    /// Compare what the programs of tests/c/conformance see here with what they see on Linux.
    Conformance {
        /// Hold the stored transcripts to the reference kernel instead
        #[arg(long)]
        verify: bool,
        /// Write the transcripts anew from the reference kernel
        #[arg(long, conflicts_with = "verify")]
        record: bool,
        /// Programs by name; all when left out
        #[arg(value_name = "PROGRAM")]
        programs: Vec<String>,
    },
    /// Build broken twins of the kernel, and see whether the tests kill each one, and by what.
    ///
    /// The status is 1 when one survived, or was killed by something else than it says.
    Mutants {
        /// Mutants by name, files of tests/mutants; all when left out
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Show what building and booting takes, and install what is missing.
    Doctor,
    /// Run clippy over the guest's packages, warnings denied.
    #[command(hide = true)]
    Lint,
}

/// How `demo` races.
#[derive(Clone, Debug, Args)]
pub struct Racing {
    /// Race: several CPUs, no help, until something is found or the budget is used up
    #[arg(long)]
    pub racing: bool,
    /// Rounds of each cell; 300 when seconds are left out too
    #[arg(long, value_name = "N", requires = "racing", value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: Option<u64>,
    /// Seconds of the guest's for each cell
    #[arg(long, value_name = "N", requires = "racing", value_parser = parse_seconds)]
    pub seconds: Option<Duration>,
    /// Where the random delays start
    #[arg(long, value_name = "S", requires = "racing", default_value_t = 1)]
    pub seed: u32,
    /// Race all cells in turn, again and again with another seed each time, until so many seconds have passed
    #[arg(long = "for", value_name = "SECONDS", requires = "racing", value_parser = parse_seconds)]
    pub lasting: Option<Duration>,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Number of CPUs; 1 when left out, 4 to race
    #[arg(long, global = true, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(qemu::MOST_CPUS)))]
    pub smp: Option<u32>,
    /// Memory, in MiB or with a suffix M or G
    #[arg(long, global = true, value_name = "M", default_value = "512M", value_parser = qemu::parse_memory)]
    pub mem: u32,
    /// More for the kernel's command line
    #[arg(long, global = true, value_name = "S")]
    pub cmdline: Option<String>,
    /// Count time in guest instructions, for runs that repeat
    #[arg(long, global = true)]
    pub icount: bool,
    /// Put a file or directory of the host's on the guest (may be repeated)
    #[arg(long, global = true, value_name = "HOST:GUEST")]
    pub put: Vec<Put>,
    /// A region for contiguous buffers, as in 64M, camera=16M, 32M@0x50000000 (may be repeated); without a
    /// name, the default one
    #[arg(long, global = true, value_name = "[NAME=]SIZE[@BASE]", value_parser = Region::parse_pool)]
    pub cma: Vec<Region>,
    /// A region set aside under that name (may be repeated)
    #[arg(long, global = true, value_name = "NAME=SIZE[@BASE]", value_parser = Region::parse_carveout)]
    pub carveout: Vec<Region>,
    /// A region set aside under that name, which user space is not to map (may be repeated)
    #[arg(long, global = true, value_name = "NAME=SIZE[@BASE]", value_parser = Region::parse_protected)]
    pub protected: Vec<Region>,
    /// A device beyond the board's (may be repeated)
    #[arg(long, global = true, value_name = "DEVICE")]
    pub device: Vec<qemu::Device>,
    /// An IOMMU between PCI devices and memory: an SMMUv3
    #[arg(long, global = true)]
    pub iommu: bool,
    /// The discipline heaps live by
    #[arg(long, global = true, value_name = "D", value_parser = PossibleValuesParser::new(DISCIPLINES))]
    pub discipline: Option<String>,
    /// What finds uses of freed memory in our kernel
    #[arg(long, global = true, value_name = "D", value_enum, default_value_t)]
    pub detector: Detector,
    /// Seconds after which a machine is killed
    #[arg(long, global = true, value_name = "S", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// Print the result of demo, or of mutants, as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Never install what is missing: say what to run instead
    #[arg(long, global = true)]
    pub no_install: bool,
    /// Show the kernel's log
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Options {
    /// The machine's hardware.
    pub fn hardware(&self) -> Hardware {
        let regions = [&self.cma, &self.carveout, &self.protected].into_iter().flatten().cloned().collect();
        let devices = self.device.clone();
        let (cpus, memory, icount) = (self.smp.unwrap_or(1), self.mem, self.icount);
        Hardware { cpus, memory, icount, iommu: self.iommu, devices, regions, ..Hardware::default() }
    }
}

/// The scenarios that one name on the command line stands for.
#[derive(Clone, Debug)]
pub struct Scenarios(pub Vec<Scenario>);

fn parse_scenarios(name: &str) -> Result<Scenarios> {
    let found = plan::scenarios_named(name);
    if found.is_empty() {
        let known: Vec<_> = plan::SCENARIOS.iter().map(|s| format!("{} {}", s.id, s.hazard)).collect();
        bail!("there is no such scenario; there are: {}", known.join(", "));
    }
    Ok(Scenarios(found))
}

fn parse_seconds(text: &str) -> Result<Duration> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
        _ => bail!("write a number of seconds above zero"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("lastref").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in ["--smp 4 --json demo H1", "demo H1 --json --smp 4", "--json demo --smp=4 H1"] {
            let cli = parse(line).unwrap();
            assert_eq!((cli.options.smp, cli.options.json), (Some(4), true), "{line}");
            assert!(matches!(cli.command, Some(Command::Demo { scenario: Some(_), .. })), "{line}");
        }
        assert!(parse("--discipline kref").unwrap().command.is_none());
    }

    #[test]
    fn what_follows_the_program_is_the_programs() {
        let cli = parse("exec --smp 2 ./prog -x --smp 3 --help -- y").unwrap();
        let Some(Command::Exec { command, strace: false }) = cli.command else { panic!("not exec") };
        assert_eq!(command, ["./prog", "-x", "--smp", "3", "--help", "--", "y"]);
        assert_eq!(cli.options.smp, Some(2));
    }

    #[test]
    fn wrong_use_is_refused_with_status_2() {
        for (line, says) in [
            ("frobnicate", "unrecognized subcommand"),
            ("exec", "required"),
            ("exec --smpp 4 prog", "unexpected argument"),
            ("--strace exec prog", "unexpected argument"),
            ("demo --strace", "unexpected argument"),
            ("demo H99", "there is no such scenario"),
            ("demo H1 --rounds 5", "--racing"),
            ("demo H1 --for 5", "--racing"),
            ("demo H1 --replay H1.kref.d-a-00000000", "there is no such id"),
            ("demo H1 --replay nonsense", "there is no such id"),
            ("demo H1 --racing --rounds 0", "not in 1.."),
            ("--racing demo H1", "unexpected argument"),
            ("--smp 0", "not in 1..="),
            ("--smp many", "invalid"),
            ("--mem 1M", "at least"),
            ("--discipline mine", "possible values"),
            ("--detector mine", "possible values"),
            ("--timeout -1", "unexpected argument"),
            ("--timeout 0", "above zero"),
            ("--timeout inf", "above zero"),
            ("--put x", "HOST:GUEST"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.to_string().contains(says), "{line}: {error}");
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn help_is_everywhere() {
        for line in [
            "--help",
            "demo --help",
            "exec --help",
            "gdb --help",
            "shell --help",
            "bench -h",
            "reference --help",
            "conformance --help",
            "mutants --help",
            "doctor --help",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }
}
