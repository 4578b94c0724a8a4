//! `reference`: runs a program of the host's on real Linux.

use anyhow::Result;

use super::exec;
use crate::cli::Options;
use crate::{build, reference};

/// Builds the kernel, where that was not done before; then runs the program, and returns its status.
pub fn run(options: &Options, command: &[String]) -> Result<u8> {
    if command.is_empty() {
        reference::guest(Vec::new())?;
        return Ok(0);
    }
    let prepared = exec::prepare(command)?;
    let programs = match command[0].starts_with("guest:") {
        true => build::guest()?.programs.clone(),
        false => Vec::new(),
    };
    let programs = programs.into_iter().filter(|(name, _)| name != "init").collect();
    let guest = reference::guest(programs)?;
    exec::stream(prepared.install(super::machine(&guest, options)).limit(options.timeout), options, "\n")
}
