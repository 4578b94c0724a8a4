//! Runs a program that may hang, die early or chatter for ever, and never leaves it behind.
//!
//! The program gets a process group of its own: a Ctrl-C on the terminal reaches the launcher alone,
//! which then kills the whole group. It gets pipes, never the terminal, so it cannot change the
//! terminal's modes.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::input::Stdin;
use crate::{interrupt, workspace};

/// How often the deadline and Ctrl-C are looked at while the program says nothing.
const TICK: Duration = Duration::from_millis(20);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// Killed at its deadline.
    TimedOut,
    /// Killed because the launcher was told to end, by this signal.
    Interrupted(i32),
}

/// A command for `program` that the kernel kills when the thread that started it dies, where the host
/// can arrange that.
pub fn leashed(program: &OsStr) -> Command {
    let leash = workspace::which("setpriv").filter(|setpriv| {
        let trial =
            Command::new(setpriv).args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        trial.is_ok_and(|status| status.success())
    });
    match leash {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Runs `command` to its end, or for `limit`: types `stdin` to it as at a terminal, and hands what it
/// prints to `output` as it comes. Returns how it ended and what it wrote on its standard error.
pub fn run(
    mut command: Command,
    stdin: Stdin,
    limit: Option<Duration>,
    mut output: impl FnMut(&[u8]),
) -> Result<(Ending, String)> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let piped = !matches!(stdin, Stdin::Null);
    command
        .process_group(0)
        .stdin(if piped { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child =
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut group = Group(child);
    let child = &mut group.0;

    feed(child.stdin.take(), stdin);
    let (sender, chunks) = sync_channel(64);
    let stdout = child.stdout.take().expect("stdout is piped");
    thread::spawn(move || copy_chunks(stdout, &sender));
    let stderr = child.stderr.take().expect("stderr is piped");
    let stderr = thread::spawn(move || read_start(stderr));

    let ending = loop {
        if let Some(signal) = interrupt::pending() {
            break Ending::Interrupted(signal);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break Ending::TimedOut;
        }
        match chunks.recv_timeout(TICK) {
            Ok(chunk) => output(&chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(TICK / 10),
        }
        if let Some(status) = group.0.try_wait()? {
            break Ending::Exited(status);
        }
    };
    drop(group);
    while let Ok(chunk) = chunks.recv_timeout(5 * TICK) {
        output(&chunk);
    }
    Ok((ending, stderr.join().unwrap_or_default()))
}

/// Runs `command` with its output on our stderr; true when it succeeded within `limit`.
pub fn succeeds(mut command: Command, limit: Option<Duration>) -> bool {
    let Ok(Some(stderr)) = clone_stderr().map(Some) else { return false };
    let Ok(mut child) = command.stdout(stderr).spawn() else { return false };
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if deadline.is_none_or(|deadline| Instant::now() < deadline) => thread::sleep(TICK),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn clone_stderr() -> io::Result<Stdio> {
    use std::os::fd::AsFd;
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

/// A child and all it started, killed when dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id() as i32) {
            // Fails when all of the group are gone, as they should be.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn feed(pipe: Option<std::process::ChildStdin>, stdin: Stdin) {
    let Some(pipe) = pipe else { return };
    // The thread ends with the pipe: a write to a dead child fails.
    thread::spawn(move || stdin.type_into(pipe));
}

fn copy_chunks(mut from: impl Read, to: &SyncSender<Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

/// Reads to the end, and keeps the first 64 KiB.
fn read_start(mut from: impl Read) -> String {
    let mut start = Vec::new();
    let _ = from.by_ref().take(64 << 10).read_to_end(&mut start);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&start).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdin: Stdin, limit_ms: u64) -> (Ending, String, String, Duration) {
        let mut command = leashed(OsStr::new("/bin/sh"));
        command.args(["-c", script]);
        let mut output = Vec::new();
        let start = Instant::now();
        let limit = Some(Duration::from_millis(limit_ms));
        let (ending, stderr) = run(command, stdin, limit, |chunk| output.extend_from_slice(chunk)).unwrap();
        (ending, String::from_utf8(output).unwrap(), stderr, start.elapsed())
    }

    #[test]
    fn output_status_and_stderr_are_kept_apart() {
        let (ending, output, stderr, _) =
            shell("read x; echo got $x; echo bad >&2; exit 3", Stdin::Bytes(b"it\n".to_vec()), 5000);
        assert!(matches!(ending, Ending::Exited(status) if status.code() == Some(3)));
        assert_eq!((output.as_str(), stderr.as_str()), ("got it\n", "bad\n"));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let (ending, output, _, took) = shell("sleep 7.25 & echo $!; wait", Stdin::Null, 300);
        assert_eq!(ending, Ending::TimedOut);
        assert!(took < Duration::from_secs(3), "{took:?}");
        let child = Pid::from_raw(output.trim().parse().unwrap()).unwrap();
        let gone = (0..50).any(|_| {
            thread::sleep(TICK);
            rustix::process::test_kill_process(child).is_err() || is_zombie(child)
        });
        assert!(gone, "the sleep is still there");
    }

    /// Where nobody reaps orphans, a killed one stays as a zombie.
    fn is_zombie(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
        stat.contains(") Z ")
    }

    #[test]
    fn a_program_that_chatters_for_ever_is_killed() {
        let (ending, output, ..) = shell("while :; do echo chatter; done", Stdin::Null, 300);
        assert_eq!(ending, Ending::TimedOut);
        assert!(output.starts_with("chatter\n"));
    }

    #[test]
    fn a_program_that_closes_its_output_is_still_waited_for() {
        let (ending, ..) = shell("exec >&-; sleep 0.2; exit 4", Stdin::Null, 5000);
        assert!(matches!(ending, Ending::Exited(status) if status.code() == Some(4)));
    }

    #[test]
    fn an_orphan_that_holds_the_output_is_not_waited_for() {
        let (ending, output, _, took) = shell("sleep 8 & echo done", Stdin::Null, 6000);
        assert!(matches!(ending, Ending::Exited(status) if status.success()));
        assert_eq!(output, "done\n");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = run(Command::new("/no/such/program"), Stdin::Null, None, |_| ()).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"));
    }
}
