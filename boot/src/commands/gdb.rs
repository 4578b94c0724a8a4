//! `gdb`: boots a machine that waits for a debugger before its first instruction.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::exec;
use crate::build;
use crate::cli::Options;
use crate::input::Stdin;

/// Debuggers that may know the guest's architecture, the likeliest first.
const DEBUGGERS: [&str; 3] = ["gdb-multiarch", "aarch64-linux-gnu-gdb", "gdb"];

/// Boots, says how to attach, and returns the guest's status.
pub fn run(options: &Options, port: u16, command: &[String]) -> Result<u8> {
    let prepared = if command.is_empty() { None } else { Some(exec::prepare(command)?) };
    let guest = build::guest_with(options.detector)?;
    let mut hardware = options.hardware();
    hardware.debugger = Some(port);
    let machine = super::machine(guest, options).hardware(hardware).limit(options.timeout);
    let machine = match prepared {
        Some(prepared) => prepared.install(machine),
        None => machine.command(["/bin/scenario", "H1"]),
    };
    // QEMU would say so too, but only once the machine is there.
    TcpListener::bind(("127.0.0.1", port))
        .with_context(|| format!("port {port} is taken; choose another with --port"))?;
    eprintln!("lastref: the machine waits; in another terminal run:\n{}", attach(&guest.kernel, port));
    exec::stream(machine.stdin(Stdin::Inherit), options, "\n")
}

fn attach(kernel: &Path, port: u16) -> String {
    let found = DEBUGGERS.into_iter().find(|debugger| knows_aarch64(debugger));
    let debugger = found.unwrap_or(DEBUGGERS[0]);
    format!("{debugger} -ex 'target remote 127.0.0.1:{port}' '{}'", kernel.display())
}

fn knows_aarch64(debugger: &str) -> bool {
    let trial = Command::new(debugger).args(["-batch", "-ex", "set architecture aarch64"]).output();
    trial.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_names_kernel_and_port() {
        let line = attach(Path::new("/w/target/kernel"), 4321);
        assert!(line.ends_with("-ex 'target remote 127.0.0.1:4321' '/w/target/kernel'"), "{line}");
    }
}
