//! The launcher behind `cargo run`.

use std::process::ExitCode;

use clap::Parser;
use lastref::{cli::Cli, commands, interrupt};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = commands::run(cli);
    if let Some(signal) = interrupt::pending() {
        interrupt::die_of(signal);
    }
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(commands::FAILED)
        }
    }
}
