//! Commands that change the shell itself, and the cheapest of all.

use alloc::string::String;

use super::Shell;
use super::parse::is_variable;
use crate::rt::{job, process};
use crate::{complain, say};

type Builtin = fn(&mut Shell, &[String]) -> i32;

const BUILTINS: [(&str, Builtin); 17] = [
    (":", |_, _| 0),
    ("[", |_, args| i32::from(!test(args))),
    ("bg", background),
    ("cd", change_directory),
    ("echo", echo),
    ("exit", exit),
    ("export", export),
    ("false", |_, _| 1),
    ("fg", foreground),
    ("jobs", |shell, _| {
        shell.jobs.list();
        0
    }),
    ("kill", kill),
    ("pwd", |_, _| {
        say!("{}", job::directory().unwrap_or_default());
        0
    }),
    ("set", set),
    ("test", |_, args| i32::from(!test(args))),
    ("true", |_, _| 0),
    ("unset", unset),
    ("wait", wait),
];

/// Whether there is a builtin of that name.
pub fn is_one(name: &str) -> bool {
    BUILTINS.iter().any(|(known, _)| *known == name)
}

/// Runs the builtin that `fields` name, and returns its status.
pub fn run(shell: &mut Shell, fields: &[String]) -> i32 {
    let builtin = BUILTINS.iter().find(|(name, _)| *name == fields[0]);
    builtin.map_or(1, |(_, builtin)| builtin(shell, &fields[1..]))
}

fn echo(_: &mut Shell, args: &[String]) -> i32 {
    match args {
        [first, rest @ ..] if first == "-n" => {
            crate::rt::out::print(1, format_args!("{}", rest.join(" ")), "")
        }
        _ => say!("{}", args.join(" ")),
    }
    0
}

fn change_directory(shell: &mut Shell, args: &[String]) -> i32 {
    let home = shell.variables.get("HOME").map_or("/", |home| home.value.as_str());
    let to = args.first().map_or(home, String::as_str);
    match job::change_directory(to) {
        Ok(()) => 0,
        Err(why) => {
            complain!("cd: {to}: {}", why.text().unwrap_or("unknown error"));
            1
        }
    }
}

fn exit(shell: &mut Shell, args: &[String]) -> i32 {
    let status = args.first().map_or(Ok(shell.status), |status| status.parse());
    let status = status.unwrap_or(super::SYNTAX_ERROR) & 0xff;
    shell.exit = Some(status);
    status
}

fn export(shell: &mut Shell, args: &[String]) -> i32 {
    for arg in args {
        let (name, value) =
            arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        if !is_variable(name) {
            complain!("export: {name}: not a name");
            return 1;
        }
        if let Some(value) = value {
            shell.set(name, value.into());
        }
        if let Some(variable) = shell.variables.get_mut(name) {
            variable.exported = true;
        }
    }
    0
}

fn unset(shell: &mut Shell, args: &[String]) -> i32 {
    for name in args {
        shell.variables.remove(name);
    }
    0
}

fn set(shell: &mut Shell, args: &[String]) -> i32 {
    match args {
        [] => {
            for (name, variable) in &shell.variables {
                say!("{name}={}", variable.value);
            }
        }
        [option] if option == "-e" || option == "+e" => shell.exits_on_failure = option == "-e",
        [dashes, rest @ ..] if dashes == "--" => shell.positional = rest.to_vec(),
        _ => {
            complain!("usage: set [-e | +e | -- ARG...]");
            return super::SYNTAX_ERROR;
        }
    }
    0
}

/// The job that an argument means; says when there is none.
fn job_of(shell: &Shell, args: &[String]) -> Option<usize> {
    let found = shell.jobs.find(args.first().map(String::as_str));
    if found.is_none() {
        complain!("sh: no such job");
    }
    found
}

/// Lets a job go on; whether that could be.
fn go_on(shell: &mut Shell, number: usize) -> bool {
    const SIGCONT: u8 = 18;
    let Some(job) = shell.jobs.get(number).filter(|job| job.group != 0) else { return false };
    job.stopped = false;
    process::kill(-job.group, SIGCONT).is_ok()
}

fn foreground(shell: &mut Shell, args: &[String]) -> i32 {
    let Some(number) = job_of(shell, args) else { return 1 };
    if let Some(job) = shell.jobs.get(number) {
        say!("{}", job.text);
    }
    // Nobody at a terminal has stopped it where this fails.
    go_on(shell, number);
    shell.foreground(number);
    shell.status
}

fn background(shell: &mut Shell, args: &[String]) -> i32 {
    let Some(number) = job_of(shell, args) else { return 1 };
    i32::from(!go_on(shell, number))
}

fn wait(shell: &mut Shell, _: &[String]) -> i32 {
    while shell.jobs.any_running() && shell.jobs.wait(true) {}
    0
}

const SIGNALS: [(&str, u8); 12] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("TERM", 15),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
];

fn kill(shell: &mut Shell, args: &[String]) -> i32 {
    let (signal, targets) = match args {
        [option, targets @ ..] if option.starts_with('-') => (&option[1..], targets),
        targets => ("TERM", targets),
    };
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    let known = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let (Some(signal), false) = (known.or_else(|| signal.parse().ok()), targets.is_empty()) else {
        complain!("usage: kill [-SIGNAL] PID|%JOB...");
        return super::SYNTAX_ERROR;
    };
    let mut status = 0;
    for target in targets {
        let pid = match shell.jobs.find(Some(target)) {
            Some(number) => {
                shell.jobs.get(number).map(|job| if job.group != 0 { -job.group } else { job.last.0 })
            }
            None => target.parse().ok(),
        };
        let sent = pid.map(|pid| process::kill(pid, signal).is_ok());
        if sent != Some(true) {
            complain!("kill: {target}: no such process");
            status = 1;
        }
    }
    status
}

/// `test`: of strings, numbers and files.
fn test(args: &[String]) -> bool {
    let args: alloc::vec::Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "]").collect();
    match &args[..] {
        ["!", rest @ ..] => !test(&rest.iter().map(|arg| (*arg).into()).collect::<alloc::vec::Vec<String>>()),
        [text] => !text.is_empty(),
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [kind @ ("-e" | "-f" | "-d" | "-s"), path] => {
            let Ok(stat) = crate::rt::file::stat_at(crate::rt::abi::AT_FDCWD, path, 0) else { return false };
            match (*kind, stat.mode & crate::rt::abi::S_IFMT) {
                ("-e", _) => true,
                ("-s", _) => stat.size > 0,
                ("-f", kind) => kind == crate::rt::abi::S_IFREG,
                (_, kind) => kind == 0o040000,
            }
        }
        [a, "=", b] => a == b,
        [a, "!=", b] => a != b,
        [a, operator, b] => match (a.parse::<i64>(), *operator, b.parse::<i64>()) {
            (Ok(a), "-eq", Ok(b)) => a == b,
            (Ok(a), "-ne", Ok(b)) => a != b,
            (Ok(a), "-lt", Ok(b)) => a < b,
            (Ok(a), "-le", Ok(b)) => a <= b,
            (Ok(a), "-gt", Ok(b)) => a > b,
            (Ok(a), "-ge", Ok(b)) => a >= b,
            _ => false,
        },
        _ => false,
    }
}
