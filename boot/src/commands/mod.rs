//! The launcher's commands, one a file. Each returns the status to exit with.

mod bench;
mod conformance;
mod demo;
mod doctor;
mod exec;
mod gdb;
mod lint;
mod mutants;
mod race;
mod reference;
mod replay;
mod shell;

use anyhow::Result;

use crate::build::Guest;
use crate::cli::{Cli, Command, Options};
use crate::machine::Machine;
use crate::{install, plan};

pub(crate) use race::time;

/// The launcher itself failed.
pub const FAILED: u8 = 125;

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<u8> {
    let options = cli.options;
    if options.no_install {
        install::forbid();
    }
    let Some(command) = cli.command else { return demo::matrix(&options, plan::SCENARIOS.to_vec()) };
    match command {
        Command::Demo { scenario, replay: Some(id), .. } => {
            replay::run(&options, scenario.as_ref().map(|scenarios| scenarios.0.as_slice()), &id)
        }
        Command::Demo { scenario, racing, .. } if racing.racing => {
            race::run(&options, scenario.map_or(plan::SCENARIOS.to_vec(), |scenarios| scenarios.0), &racing)
        }
        Command::Demo { scenario: None, .. } => demo::matrix(&options, plan::SCENARIOS.to_vec()),
        Command::Demo { scenario: Some(scenarios), .. } => demo::tell(&options, scenarios.0),
        Command::Exec { strace, command } => exec::run(&options, strace, &command),
        Command::Shell { busybox } => shell::run(&options, busybox.as_deref()),
        Command::Gdb { port, command } => gdb::run(&options, port, &command),
        Command::Bench { linux } => bench::run(&options, linux),
        Command::Reference { command } => reference::run(&options, &command),
        Command::Conformance { verify, record, programs } => {
            conformance::run(&options, verify, record, &programs)
        }
        Command::Mutants { names } => mutants::run(&names, options.json, options.verbose),
        Command::Doctor => doctor::run(),
        Command::Lint => lint::run(),
    }
}

/// A machine as the options ask for it.
fn machine<'a>(guest: &'a Guest, options: &Options) -> Machine<'a> {
    let mut machine = Machine::new(guest).hardware(options.hardware());
    if let Some(discipline) = &options.discipline {
        machine = machine.discipline(discipline);
    }
    if let Some(arguments) = &options.cmdline {
        machine = machine.kernel_arguments(arguments);
    }
    options.put.iter().cloned().fold(machine, Machine::put)
}
