//! `exec`: runs a program of the host's on the guest, its output and status on ours.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Result, bail};
use signal_hook::consts::SIGPIPE;

use crate::cli::Options;
use crate::input::Stdin;
use crate::machine::{End, Event, Machine};
use crate::{build, interrupt, program};

/// The status for a machine that had to be killed, as timeout(1) has it.
const TIMED_OUT: u8 = 124;

/// Checks the program, boots, and returns its status. With `strace`, its calls are on stderr.
pub fn run(options: &Options, strace: bool, command: &[String]) -> Result<u8> {
    let prepared = prepare(command)?;
    let machine = prepared
        .install(super::machine(build::guest_with(options.detector)?, options))
        .limit(options.timeout);
    // Whoever types sees it on their own terminal already; what comes from a pipe nobody wants to see.
    let machine = machine.kernel_arguments("lastref.tty=noecho");
    let machine = if strace { machine.kernel_arguments("lastref.strace") } else { machine };
    stream(machine.stdin(Stdin::Inherit), options, "\n")
}

/// A program that was found fit to run.
pub struct Prepared {
    /// Its contents, where the machine does not have it anyway.
    elf: Option<Vec<u8>>,
    command: Vec<String>,
}

/// What stands before a program that is on the machine already.
const ON_GUEST: &str = "guest:";

/// Reads and checks the program that `command` names: a file of the host's, or `guest:PATH` for one of
/// the machine's.
pub fn prepare(command: &[String]) -> Result<Prepared> {
    let Some((path, arguments)) = command.split_first() else { bail!("no program was named") };
    if let Some(path) = path.strip_prefix(ON_GUEST) {
        let command = std::iter::once(path.to_owned()).chain(arguments.iter().cloned()).collect();
        return Ok(Prepared { elf: None, command });
    }
    let elf = Some(program::read(Path::new(path))?);
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    let command = std::iter::once(format!("/bin/{name}")).chain(arguments.iter().cloned()).collect();
    Ok(Prepared { elf, command })
}

impl Prepared {
    /// Puts the program on the machine, to be run there.
    pub fn install(self, machine: Machine<'_>) -> Machine<'_> {
        let machine = match self.elf {
            Some(elf) => machine.file(self.command[0].clone(), elf),
            None => machine,
        };
        machine.command(self.command)
    }
}

/// Boots a machine and prints what it says as it comes. Reports and panics are always shown; `newline` ends a line of
/// the kernel's log.
pub fn stream(machine: Machine<'_>, options: &Options, newline: &str) -> Result<u8> {
    interrupt::watch()?;
    let end = machine.run(|event| {
        let written = match event {
            Event::Stdout(bytes) => write_all(&mut io::stdout().lock(), bytes),
            Event::Stderr(bytes) => write_all(&mut io::stderr().lock(), bytes),
            Event::Log { line, report } if report || options.verbose => {
                write!(io::stderr().lock(), "{}{newline}", line.replace('\n', newline))
            }
            Event::Log { .. } | Event::Record(_) => Ok(()),
        };
        // Nobody reads any more: the machine ends as a program on this host would.
        if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            interrupt::note(SIGPIPE);
        }
    })?;
    match end {
        End::Status(status) => Ok(status),
        End::Interrupted(signal) => bail!("interrupted by signal {signal}"),
        End::TimedOut => {
            eprintln!("lastref: the machine was killed at its time-out");
            Ok(TIMED_OUT)
        }
    }
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).and_then(|()| to.flush())
}
