//! A small shell, for machines without a better one: pipelines, redirections, variables, `if`, `while`, `for`, jobs.
//!
//! * [`lex`], [`parse`], [`expand`]: from text to commands and their arguments; pure, tested on the host
//! * `run`: commands at work; `jobs`: those that nobody waits for
//! * `builtins`: what changes the shell itself; `tools`: what other systems have programs for
//!
//! Lines are edited by the terminal alone.

mod builtins;
pub mod expand;
mod jobs;
pub mod lex;
pub mod parse;
mod run;
mod tools;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::complain;
use crate::rt::file::{self, Fd};
use crate::rt::{Args, abi, job, process};
use expand::Parameters;
use jobs::Jobs;
use lex::Error;

/// What a shell says for a command that is none.
const SYNTAX_ERROR: i32 = 2;

/// A variable.
struct Variable {
    value: String,
    exported: bool,
}

/// The shell's state.
pub struct Shell {
    variables: BTreeMap<String, Variable>,
    /// `$0`, and what follows it.
    name: String,
    positional: Vec<String>,
    status: i32,
    jobs: Jobs,
    /// The terminal that jobs are moved to the foreground of, where there is somebody at it.
    terminal: Option<i32>,
    /// Whether a failure ends it (`set -e` and `-e`).
    exits_on_failure: bool,
    /// The status to exit with, once it shall.
    exit: Option<i32>,
}

impl Parameters for Shell {
    fn value(&self, name: &str) -> String {
        match name {
            "?" => self.status.to_string(),
            "$" => process::id().to_string(),
            "#" => self.positional.len().to_string(),
            "0" => self.name.clone(),
            _ => match name.parse::<usize>() {
                Ok(n) => self.positional.get(n - 1).cloned().unwrap_or_default(),
                Err(_) => self.variables.get(name).map(|v| v.value.clone()).unwrap_or_default(),
            },
        }
    }

    fn positional(&self) -> &[String] {
        &self.positional
    }
}

impl Shell {
    fn new(args: Args) -> Shell {
        let variables = args.environment().filter_map(|text| text.split_once('='));
        let exported = |value: &str| Variable { value: value.into(), exported: true };
        Shell {
            variables: variables.map(|(name, value)| (name.into(), exported(value))).collect(),
            name: args.get(0).unwrap_or("sh").into(),
            positional: Vec::new(),
            status: 0,
            jobs: Jobs::default(),
            terminal: None,
            exits_on_failure: false,
            exit: None,
        }
    }

    fn set(&mut self, name: &str, value: String) {
        let exported = self.variables.get(name).is_some_and(|variable| variable.exported);
        self.variables.insert(name.into(), Variable { value, exported });
    }

    /// What programs are given, each variable as `NAME=VALUE`.
    fn environment(&self) -> Vec<String> {
        let exported = self.variables.iter().filter(|(_, variable)| variable.exported);
        exported.map(|(name, variable)| format!("{name}={}", variable.value)).collect()
    }

    /// Runs a whole text; what is wrong with it is said.
    fn run_text(&mut self, text: &str) {
        match parse::parse(text) {
            Ok(list) => self.run_list(&list),
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&mut self, error: &Error) {
        match error {
            Error::Incomplete => complain!("sh: syntax error: unexpected end of file"),
            Error::Syntax(near) => complain!("sh: syntax error: unexpected {near:?}"),
        }
        self.status = SYNTAX_ERROR;
    }

    /// Reads commands and runs them, until there are no more or it shall exit.
    fn run_input(&mut self) {
        let mut text = String::new();
        while self.exit.is_none() {
            self.prompt(if text.is_empty() { "" } else { "> " });
            let ended = !read_line(&mut text);
            match parse::parse(&text) {
                Err(Error::Incomplete) if !ended => continue,
                Ok(list) => self.run_list(&list),
                Err(error) => self.refuse(&error),
            }
            text.clear();
            if ended {
                return;
            }
        }
    }

    fn prompt(&mut self, more: &str) {
        if self.terminal.is_none() {
            return;
        }
        self.jobs.report();
        let at = job::directory().unwrap_or_default();
        let prompt = if more.is_empty() { format!("lastref:{at}# ") } else { more.to_owned() };
        let _ = file::write_all(2, prompt.as_bytes());
    }

    /// Takes the terminal over, if that is what standard input is: then jobs can be moved to and fro.
    fn take_terminal(&mut self) {
        if job::foreground(0).is_err() {
            return;
        }
        run::ignore_job_signals(true);
        // The session's leader is in a group of its own already.
        let _ = job::set_group(0, 0);
        let _ = job::set_foreground(0, job::own_group());
        self.terminal = Some(0);
    }
}

/// Appends a line of standard input, and no more, for what is read next is not the shell's. False at its end.
fn read_line(text: &mut String) -> bool {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") {
        match file::read(0, &mut byte) {
            Ok(1) => line.push(byte[0]),
            _ => break,
        }
    }
    text.push_str(&String::from_utf8_lossy(&line));
    line.ends_with(b"\n")
}

fn read_file(path: &str) -> heaps::uapi::errno::Result<String> {
    let fd = Fd::open(path, abi::O_RDONLY | abi::O_CLOEXEC)?;
    let mut text = Vec::new();
    let mut part = [0; 1024];
    loop {
        match file::read(fd.raw(), &mut part)? {
            0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
            len => text.extend_from_slice(&part[..len]),
        }
    }
}

/// Runs the shell as it was called, and returns its status.
pub fn main(args: Args) -> i32 {
    let mut shell = Shell::new(args);
    let mut rest = args.rest().peekable();
    let mut command = None;
    while let Some(option) = rest.next_if(|arg| arg.starts_with('-') && arg.len() > 1) {
        match option {
            "-c" => command = Some(()),
            "-e" => shell.exits_on_failure = true,
            // A login shell is like any other.
            "-l" | "--" => {}
            _ => {
                complain!("usage: sh [-e] [-c TEXT [NAME [ARG]...] | FILE [ARG]...]");
                return SYNTAX_ERROR;
            }
        }
    }
    let first = rest.next();
    let (text, name) = match (command, first) {
        (Some(()), None) => {
            complain!("sh: -c takes a command");
            return SYNTAX_ERROR;
        }
        (Some(()), Some(text)) => (Some(Ok(text.to_owned())), rest.next()),
        (None, Some(path)) => (Some(read_file(path)), Some(path)),
        (None, None) => (None, None),
    };
    shell.name = name.map_or(shell.name, Into::into);
    shell.positional = rest.map(Into::into).collect();
    match text {
        Some(Ok(text)) => shell.run_text(&text),
        Some(Err(why)) => {
            complain!("sh: {}: {why}", shell.name);
            return run::NOT_FOUND;
        }
        None => {
            shell.take_terminal();
            shell.run_input();
        }
    }
    shell.exit.unwrap_or(shell.status)
}
