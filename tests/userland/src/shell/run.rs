//! Commands at work: processes, pipes, redirections.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

use super::jobs::Job;
use super::lex::Word;
use super::parse::{After, Command, Item, Kind, List, Pipeline, Redirection};
use super::{Shell, builtins, expand, tools};
use crate::rt::file::{self, Fd};
use crate::rt::{abi, job, process};
use crate::{complain, say};

/// The status for a program that is not there.
pub const NOT_FOUND: i32 = 127;
/// The status for one that cannot be run.
const CANNOT_RUN: i32 = 126;

impl Shell {
    /// Runs commands one after another.
    pub(super) fn run_list(&mut self, list: &List) {
        for item in list {
            if self.exit.is_some() {
                return;
            }
            self.run_item(item);
        }
    }

    fn run_item(&mut self, item: &Item) {
        if item.background {
            self.in_background(item);
            return;
        }
        for (n, (after, pipeline)) in item.pipelines.iter().enumerate() {
            let runs = match after {
                After::Anything => true,
                After::Success => self.status == 0,
                After::Failure => self.status != 0,
            };
            if !runs {
                continue;
            }
            self.run_pipeline(pipeline, &item.text);
            if self.exit.is_some() {
                return;
            }
            // What another depends on may fail.
            let is_last = n + 1 == item.pipelines.len();
            if self.exits_on_failure && is_last && self.status != 0 && !pipeline.negated {
                self.exit = Some(self.status);
            }
        }
    }

    fn in_background(&mut self, item: &Item) {
        let own_group = self.terminal.is_some();
        let started = process::spawn(|| {
            self.become_child(own_group, false);
            if !own_group {
                // Without a terminal nobody else keeps its keys from it.
                let _ = redirect_to(0, "/dev/null", abi::O_RDONLY);
            }
            let item = Item { background: false, ..item.clone() };
            self.run_item(&item);
            self.exit.unwrap_or(self.status)
        });
        match started {
            Ok(pid) => {
                let group = if own_group { pid } else { 0 };
                let job = Job {
                    group,
                    alive: [pid].into(),
                    last: (pid, 0),
                    stopped: false,
                    text: item.text.clone(),
                };
                let _ = job::set_group(pid, group);
                let number = self.jobs.add(job);
                if own_group {
                    say!("[{number}] {pid}");
                }
                self.set("!", format!("{pid}"));
                self.status = 0;
            }
            Err(why) => self.fail("fork", why),
        }
    }

    pub(super) fn fail(&mut self, what: &str, why: Errno) {
        complain!("sh: {what}: {}", why.text().unwrap_or("unknown error"));
        self.status = 1;
    }

    /// A forked child is no shell at a terminal, but runs one command.
    fn become_child(&mut self, own_group: bool, foreground: bool) {
        if own_group {
            let _ = job::set_group(0, 0);
            if foreground && let Some(terminal) = self.terminal {
                let _ = job::set_foreground(terminal, job::own_group());
            }
            ignore_job_signals(false);
        }
        self.terminal = None;
        self.jobs = Default::default();
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline, text: &str) {
        match &pipeline.commands[..] {
            [command] if self.runs_here(command) => self.run_here(command),
            commands => {
                if let Err(why) = self.start(commands, text) {
                    self.fail("pipeline", why);
                }
            }
        }
        if pipeline.negated {
            self.status = i32::from(self.status == 0);
        }
    }

    /// Whether a command is the shell's own business, and no process' of its own.
    fn runs_here(&self, command: &Command) -> bool {
        match &command.kind {
            Kind::Simple { words, .. } => {
                let first = expand::fields(words.get(..1).unwrap_or_default(), self).into_iter().next();
                first.is_none_or(|name| builtins::is_one(&name))
            }
            Kind::Group(_, is_subshell) => !is_subshell,
            Kind::If(..) | Kind::While(..) | Kind::For(..) => true,
        }
    }

    fn run_here(&mut self, command: &Command) {
        let saved: Vec<_> = command.redirections.iter().map(|r| (r.fd, save(r.fd))).collect();
        match self.redirect(&command.redirections) {
            Ok(()) => self.run_kind(&command.kind),
            Err((what, why)) => self.fail(&what, why),
        }
        for (fd, kept) in saved.into_iter().rev() {
            let _ = match kept {
                Some(kept) => file::dup3(kept.raw(), fd, 0).map(drop),
                None => file::close(fd),
            };
        }
    }

    /// Runs a command in this process.
    fn run_kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Simple { assignments, words } => self.run_simple(assignments, words),
            Kind::Group(list, _) => self.run_list(list),
            Kind::If(branches, otherwise) => {
                for (condition, then) in branches {
                    if self.holds(condition) {
                        return self.run_list(then);
                    }
                }
                self.status = 0;
                self.run_list(otherwise);
            }
            Kind::While(condition, body, until) => {
                let mut status = 0;
                while self.exit.is_none() && self.holds(condition) != *until {
                    self.run_list(body);
                    status = self.status;
                }
                self.status = status;
            }
            Kind::For(name, words, body) => {
                self.status = 0;
                for value in expand::fields(words, self) {
                    self.set(name, value);
                    self.run_list(body);
                    if self.exit.is_some() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a condition ends with success; it may fail.
    fn holds(&mut self, condition: &List) -> bool {
        let exits = core::mem::take(&mut self.exits_on_failure);
        self.run_list(condition);
        self.exits_on_failure = exits;
        self.status == 0 && self.exit.is_none()
    }

    fn run_simple(&mut self, assignments: &[(String, Word)], words: &[Word]) {
        let values: Vec<_> =
            assignments.iter().map(|(name, word)| (name.as_str(), expand::text(word, self))).collect();
        let fields = expand::fields(words, self);
        let Some(name) = fields.first() else {
            values.into_iter().for_each(|(name, value)| self.set(name, value));
            self.status = 0;
            return;
        };
        if builtins::is_one(name) {
            self.status = builtins::run(self, &fields);
            return;
        }
        for (name, value) in values {
            self.set(name, value);
            if let Some(variable) = self.variables.get_mut(name) {
                variable.exported = true;
            }
        }
        self.status = self.execute(&fields);
    }

    /// Becomes a program; returns the status when there is none. Only in a child.
    fn execute(&mut self, fields: &[String]) -> i32 {
        let name = &fields[0];
        let environment = self.environment();
        let argv: Vec<&str> = fields.iter().map(String::as_str).collect();
        let env: Vec<&str> = environment.iter().map(String::as_str).collect();
        let mut why = Errno::ENOENT;
        for path in self.places(name) {
            match process::execute_with(&path, &argv, &env) {
                // A file that may be executed and is no program is a script.
                Errno::ENOEXEC => {
                    let script: Vec<&str> =
                        ["sh", &path].into_iter().chain(argv[1..].iter().copied()).collect();
                    why = process::execute_with("/bin/sh", &script, &env);
                }
                Errno::ENOENT => {}
                other => why = other,
            }
        }
        if let Some(status) = tools::run(fields).filter(|_| why == Errno::ENOENT) {
            return status;
        }
        if why == Errno::ENOENT {
            complain!("sh: {name}: not found");
            return NOT_FOUND;
        }
        complain!("sh: {name}: {}", why.text().unwrap_or("cannot be run"));
        CANNOT_RUN
    }

    /// Where a program may be.
    fn places(&self, name: &str) -> Vec<String> {
        if name.contains('/') {
            return [name.into()].into();
        }
        let path = self.variables.get("PATH").map_or("/bin:/sbin", |path| path.value.as_str());
        path.split(':').map(|directory| format!("{directory}/{name}")).collect()
    }

    /// Starts the processes of a pipeline, and waits for them.
    fn start(&mut self, commands: &[Command], text: &str) -> Result<()> {
        let own_group = self.terminal.is_some();
        let mut job = Job { group: 0, alive: Vec::new(), last: (0, 0), stopped: false, text: text.into() };
        let mut input: Option<Fd> = None;
        for (n, command) in commands.iter().enumerate() {
            let (next, output) = match n + 1 < commands.len() {
                true => job::pipe().map(|(read, write)| (Some(read), Some(write)))?,
                false => (None, None),
            };
            let group = job.group;
            let pid = process::spawn(|| {
                if own_group && group != 0 {
                    let _ = job::set_group(0, group);
                }
                self.become_child(own_group && group == 0, true);
                if own_group && group != 0 {
                    ignore_job_signals(false);
                }
                for (end, fd) in [(&input, 0), (&output, 1)] {
                    if let Some(end) = end {
                        let _ = file::dup3(end.raw(), fd, 0);
                    }
                }
                match self.redirect(&command.redirections) {
                    Ok(()) => self.run_kind(&command.kind),
                    Err((what, why)) => self.fail(&what, why),
                }
                self.exit.unwrap_or(self.status)
            })?;
            if own_group {
                job.group = if job.group == 0 { pid } else { job.group };
                // Both sides do it, for nobody knows who comes first.
                let _ = job::set_group(pid, job.group);
            }
            job.alive.push(pid);
            job.last = (pid, 0);
            input = next;
        }
        drop(input);
        let number = self.jobs.add(job);
        self.foreground(number);
        Ok(())
    }

    /// Waits for a job, which has the terminal meanwhile.
    pub(super) fn foreground(&mut self, number: usize) {
        let group = self.jobs.get(number).map_or(0, |job| job.group);
        if let Some(terminal) = self.terminal.filter(|_| group != 0) {
            let _ = job::set_foreground(terminal, group);
        }
        while self.jobs.get(number).is_some_and(|job| !job.stopped && !job.alive.is_empty()) {
            if !self.jobs.wait(true) {
                break;
            }
        }
        if let Some(terminal) = self.terminal {
            let _ = job::set_foreground(terminal, job::own_group());
        }
        match self.jobs.get(number) {
            Some(job) if job.stopped => {
                say!("\n[{number}] Stopped {}", job.text);
                self.status = 128 + 20;
            }
            _ => self.status = self.jobs.remove(number).map_or(0, |job| job.last.1),
        }
    }

    /// Lets descriptors lead where redirections say; says which one cannot.
    fn redirect(&self, redirections: &[Redirection]) -> core::result::Result<(), (String, Errno)> {
        redirections.iter().try_for_each(|Redirection { fd, operator, target }| {
            let target = expand::text(target, self);
            let write = abi::O_WRONLY | abi::O_CREAT;
            let done = match *operator {
                "<" => redirect_to(*fd, &target, abi::O_RDONLY),
                ">" => redirect_to(*fd, &target, write | abi::O_TRUNC),
                ">>" => redirect_to(*fd, &target, write | abi::O_APPEND),
                _ if target == "-" => file::close(*fd),
                _ => match target.parse() {
                    Ok(from) => file::dup3(from, *fd, 0)
                        .map(drop)
                        .or_else(|e| if from == *fd { Ok(()) } else { Err(e) }),
                    Err(_) => Err(Errno::EBADF),
                },
            };
            done.map_err(|why| (target, why))
        })
    }
}

/// Ignores the signals that the terminal's keys send, and those of groups in the background; or no longer.
pub fn ignore_job_signals(ignores: bool) {
    const SIGQUIT: u8 = 3;
    const SIGTSTP: u8 = 20;
    const SIGTTIN: u8 = 21;
    const SIGTTOU: u8 = 22;
    for signal in [abi::SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU] {
        let _ = job::ignore(signal, ignores);
    }
}

fn redirect_to(fd: i32, path: &str, flags: u32) -> Result<()> {
    let opened = Fd::open(path, flags | abi::O_CLOEXEC)?;
    match opened.raw() == fd {
        true => file::fcntl(opened.into_raw(), abi::F_SETFD, 0).map(drop),
        false => file::dup3(opened.raw(), fd, 0).map(drop),
    }
}

/// A copy of a descriptor out of the way, if it is open.
fn save(fd: i32) -> Option<Fd> {
    file::fcntl(fd, abi::F_DUPFD_CLOEXEC, 10).ok().map(|kept| Fd::from_raw(kept as i32))
}
