//! `shell`, driven through a pseudo-terminal the way a person at a keyboard would.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lastref::{build, busybox, workspace};
use libtest_mimic::Trial;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::{launcher, obtained, trial};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Commands, and what each has to print. No text is in its own command, which is shown too.
const COMMANDS: [(&str, &[&str]); 20] = [
    ("echo $((6*7))", &["42"]),
    ("ls -l /dev/dma_heap", &["crw", "252,", "default_cma_region"]),
    ("ps", &["PID", "/sbin/init", "ash -l"]),
    ("mount", &["proc on /proc type proc", "devtmpfs on /dev type", "debugfs on /sys/kernel/debug type"]),
    ("dmesg | head -n 3", &["Lastref on"]),
    ("lsmod", &["Module", "system_heap", "cma_heap"]),
    ("insmod $(find /lib/modules -name 'tee_*.ko') name=mi''ne && ls /dev/dma_heap", &["mine"]),
    ("lsmod | grep -c '^tee_h'; rmmod tee_heap; lsmod | grep -c '^tee_h'", &["1\r\n0"]),
    ("rmmod no''thing", &["rmmod: can't unload module 'nothing': "]),
    ("free", &["Mem:"]),
    ("stty -a", &["rows 40; columns 100", "icanon"]),
    ("cat /proc/self/maps", &["[stack]", "[heap]", "r-xp"]),
    ("find / | wc -l | awk '{ print ($1 > 300) ? \"ma\" \"ny\" : \"few\" }'", &["many"]),
    ("cat /proc/mounts | sort | uniq | head -n 3 | wc -l | tr 3 x", &["\nx\r"]),
    (
        "cat > /tmp/script <<'END'\r#!/bin/sh\rgreet() { echo \"in-$1\"; }\rtrap 'echo tra''pped' USR1\rtrap 'echo at-the-e''nd' EXIT\rgreet func''tion\rkill -USR1 $$\rexit 4\rEND\rchmod +x /tmp/script",
        &[],
    ),
    ("/tmp/script; echo status-$?", &["in-function\r\ntrapped\r\nat-the-end\r\nstatus-4"]),
    (
        "f() { echo in-$1; }; trap 'echo sig''nalled' USR2; f func''tion; kill -USR2 $$",
        &["in-function", "signalled"],
    ),
    ("(sleep 1; echo one) & wait; yes | head -n 2 | tr -d '\\n'", &["one", "yy"]),
    ("echo from-a-file > /tmp/x; sed s/from/to/ /tmp/x", &["to-a-file"]),
    ("tty; id -un; readlink /proc/self/fd/0", &["/dev/console\r\nroot\r\n/dev/console"]),
];

/// With one CPU and with four: `shell::session-1`, `shell::session-4`; and one that is ended from outside:
/// `shell::interrupted`.
pub fn trials() -> Vec<Trial> {
    let sessions =
        ["1", "4"].map(|cpus| trial(format!("shell::session-{cpus}"), move || play(cpus, converse)));
    sessions.into_iter().chain([trial("shell::interrupted", || play("1", interrupt))]).collect()
}

fn play(cpus: &str, part: fn(&mut Shell) -> Result<()>) -> Result<()> {
    // Both may take long, and neither is what is tested.
    build::guest()?;
    if obtained("busybox", busybox::obtain(None))?.is_none() {
        return Ok(());
    }
    let mut shell = Shell::start(cpus)?;
    let outcome = part(&mut shell);
    let _ = shell.child.kill();
    let _ = shell.child.wait();
    outcome.with_context(|| format!("it said:\n{}", String::from_utf8_lossy(&shell.said)))
}

fn converse(shell: &mut Shell) -> Result<()> {
    shell.expect("lastref:~# ")?;
    for (command, prints) in COMMANDS {
        let output = shell.command(command)?;
        for text in prints {
            ensure!(output.contains(text), "{command}: there is no {text:?} in {output:?}");
        }
    }
    line_editing(shell)?;
    job_control(shell)?;
    window(shell)?;
    editor(shell)?;
    ensure!(shell.settings()? != shell.before, "the terminal is not raw while the shell runs");
    shell.keys("exit 3\r")?;
    let status = shell.end()?;
    ensure!(status == Some(3), "the shell exits with 3, the launcher with {status:?}");
    ensure!(shell.settings()? == shell.before, "the terminal's settings are not what they were");
    Ok(())
}

/// Keys: the line's ends, backwards, forwards, deleting both ways, words, completion, earlier lines.
fn line_editing(shell: &mut Shell) -> Result<()> {
    const LEFT: &str = "\x1b[D";
    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";
    let lines = [
        ("ech\x01\x0becho b\x1b[Da".to_owned(), "ab"),
        (format!("echo wronk{}g", "\x7f"), "wrong"),
        (format!("echo acd{LEFT}{LEFT}b"), "abcd"),
        ("cho home\x1b[He\x1b[F-end".to_owned(), "home-end"),
        (format!("echo 1234{LEFT}{LEFT}\x1b[3~"), "124"),
        ("echo one two\x17three".to_owned(), "one three"),
        ("lost\x15echo kept".to_owned(), "kept"),
        (format!("{UP}-again"), "kept-again"),
        (format!("{UP}{UP}{DOWN}{UP}-twice"), "kept-twice"),
        ("cat /proc/self/com\t".to_owned(), "cat"),
    ];
    for (keys, shows) in lines {
        shell.keys(&format!("{keys}\r"))?;
        shell.expect(&format!("\n{shows}\r")).with_context(|| format!("{keys:?}"))?;
        // The keys of the next line are for the shell alone.
        shell.expect("lastref:~# ")?;
    }
    Ok(())
}

fn job_control(shell: &mut Shell) -> Result<()> {
    shell.start_job("exec sleep 100")?;
    shell.keys("\x03")?;
    let output = shell.command("echo status $?")?;
    ensure!(output.contains("status 130"), "Ctrl-C: {output:?}");
    shell.keys("sleep 100 | sleep 100 | (echo run''ning; exec cat); echo sta''tus $?\r")?;
    // Where it comes before the line was read, that is thrown away; where it comes before the last program, whose status
    // counts, that finds nothing to read and ends well.
    shell.expect("running\r\n")?;
    // Where it comes before the others, the shells ignore it that are going to run them.
    let quits = (0..PATIENCE.as_secs()).any(|_| {
        shell.keys("\x1c").is_ok() && shell.expect_within("status 131", Duration::from_secs(1)).is_ok()
    });
    ensure!(quits, "Ctrl-\\ does not end a pipeline");
    let output = shell.command("ps | grep -c 'slee[p]'")?;
    ensure!(output.contains("\n0\r"), "Ctrl-\\ does not end all of a pipeline: {output:?}");

    shell.start_job("sleep 2; echo from-the-f''g; exit 5")?;
    shell.keys("\x1a")?;
    shell.expect("Stopped")?;
    let output = shell.command("jobs; grep State /proc/[0-9]*/status")?;
    ensure!(output.contains("[1]+  Stopped") && output.contains("(stopped)"), "Ctrl-Z: {output:?}");
    let output = shell.command("fg; echo status $?")?;
    ensure!(output.contains("from-the-fg") && output.contains("status 5"), "fg: {output:?}");

    shell.start_job("sleep 1; echo from-the-b''g")?;
    shell.keys("\x1a")?;
    shell.expect("Stopped")?;
    shell.keys("bg\r")?;
    shell.expect("from-the-bg").context("bg")?;
    let output = shell.command("wait; jobs; echo no''more")?;
    ensure!(!output.contains("Stopped") && output.contains("nomore"), "bg: {output:?}");

    shell.keys("cat &\r")?;
    shell.eventually("jobs", "Stopped (tty input)").context("a reader in the background")?;
    shell.keys("exit\r")?;
    shell.expect("You have stopped jobs").context("exit with a stopped job")?;
    shell.keys("\rkill -9 %1\r")?;
    shell.eventually("jobs", "Killed")?;
    Ok(())
}

/// What the terminal's window is, and becomes. A program in the foreground is told; a line editor keeps the signal to
/// itself.
fn window(shell: &mut Shell) -> Result<()> {
    let output = shell.command("stty size")?;
    ensure!(output.contains("40 100"), "the window: {output:?}");
    shell.start_job("trap 'echo resi''zed; exit' WINCH; echo rea''dy; while :; do sleep 0.2; done")?;
    shell.expect("\nready")?;
    shell.resize(50, 132)?;
    shell.expect("\nresized").context("no SIGWINCH came with another window")?;
    shell.eventually("stty size", "50 132").context("another window")?;
    shell.resize(40, 100)?;
    shell.eventually("stty size", "40 100")
}

/// `vi` on the whole window: a new file, what is changed in it, and nothing kept.
fn editor(shell: &mut Shell) -> Result<()> {
    /// The screen as it was before.
    const LEFT: &str = "\x1b[?1049l";

    /// A key that follows at once would be taken for a part of an escape sequence.
    fn escape(shell: &mut Shell) -> Result<()> {
        shell.keys("\x1b")?;
        shell.expect("- /tmp/edited [Modified]").context("vi does not go back to commands").map(drop)
    }

    shell.keys("vi /tmp/edited\r")?;
    shell.expect("\x1b[40;1H").context("vi does not go to the window's last line")?;
    shell.keys("ifirst line\rsecond")?;
    escape(shell)?;
    shell.keys(":wq\r")?;
    shell.expect("2L, 18C").context("vi does not say what it wrote")?;
    shell.expect(LEFT)?;
    let output = shell.command("cat /tmp/edited; echo status-$?")?;
    ensure!(output.contains("first line\r\nsecond\r\nstatus-0"), "what vi wrote: {output:?}");
    shell.keys("vi /tmp/edited\r")?;
    shell.expect("second").context("vi does not show the file")?;
    shell.keys("xA changed")?;
    shell.expect("I /tmp/edited [Modified]")?;
    escape(shell)?;
    shell.keys("jddu:wq\r")?;
    shell.expect("2L, 25C")?;
    shell.expect(LEFT)?;
    let output = shell.command("cat /tmp/edited")?;
    ensure!(output.contains("irst line changed\r\nsecond"), "what vi changed: {output:?}");
    shell.keys("vi /tmp/edited\r")?;
    shell.expect("second")?;
    shell.keys("dG:q!\r")?;
    shell.expect(LEFT)?;
    let output = shell.command("md5sum < /tmp/edited; stty -a")?;
    ensure!(output.contains("icanon") && output.contains(" echo "), "the terminal after vi: {output:?}");
    ensure!(output.contains("5656a3e2a2ee34a4a6bd6c87a4d7f5cd"), "what vi threw away: {output:?}");
    Ok(())
}

/// The launcher is told to end in the middle of it.
fn interrupt(shell: &mut Shell) -> Result<()> {
    shell.expect("lastref:~# ")?;
    shell.start_job("exec sleep 100")?;
    ensure!(shell.settings()? != shell.before, "the terminal is not raw while the shell runs");
    kill_process(Pid::from_child(&shell.child), Signal::TERM)?;
    let status = shell.end()?;
    ensure!(status != Some(0), "a launcher that was told to end says that all went well");
    ensure!(shell.settings()? == shell.before, "the terminal's settings are not what they were");
    Ok(())
}

/// The launcher's shell on a terminal of ours.
struct Shell {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// Kept, for a terminal nobody has open forgets its settings.
    terminal: OwnedFd,
    /// The settings as text, for they cannot be compared.
    before: String,
    said: Vec<u8>,
    /// Where what was not looked for yet begins.
    seen: usize,
    asked: u32,
}

impl Shell {
    fn start(cpus: &str) -> Result<Shell> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(ptsname(&master, Vec::new())?, flags, Mode::empty())?;
        tcsetwinsize(&terminal, Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 })?;
        let before = text(&tcgetattr(&terminal)?);
        let mut command = Command::new(launcher::program()?);
        command.args(["shell", "--smp", cpus, "--timeout", "300"]).current_dir(workspace::root());
        let standard = || terminal.try_clone().map(Stdio::from);
        let child = command.stdin(standard()?).stdout(standard()?).stderr(standard()?).spawn()?;
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone()?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (said, seen, asked) = (Vec::new(), 0, 0);
        Ok(Shell { child, keyboard, screen: receiver, terminal, before, said, seen, asked })
    }

    fn keys(&mut self, keys: &str) -> Result<()> {
        self.keyboard.write_all(keys.as_bytes()).context("cannot type")
    }

    /// Starts a job in the foreground, and waits until it is there.
    fn start_job(&mut self, script: &str) -> Result<()> {
        self.asked += 1;
        // As typed, the mark does not look as when it is printed.
        self.keys(&format!("sh -c \"echo '<'{}'>'; {script}\"\r", self.asked))?;
        self.expect(&format!("\n<{}>", self.asked)).map(drop).with_context(|| script.to_owned())
    }

    /// Types a command again and again until it prints `wanted`.
    fn eventually(&mut self, command: &str, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.command(command)?;
            if output.contains(wanted) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{command} does not print {wanted:?}: {output:?}");
        }
    }

    /// Gives the window another size, and the launcher the signal that a terminal's own programs get.
    fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        tcsetwinsize(&self.terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
        Ok(kill_process(Pid::from_child(&self.child), Signal::WINCH)?)
    }

    /// Types a command, and returns what is shown until it is done.
    fn command(&mut self, command: &str) -> Result<String> {
        self.asked += 1;
        // As typed, the mark does not look as when it is printed.
        self.keys(&format!("{command}; echo '<'{}'>'\r", self.asked))?;
        self.expect(&format!("<{}>", self.asked)).with_context(|| command.to_owned())
    }

    /// Waits until `wanted` is shown; returns what comes before.
    fn expect(&mut self, wanted: &str) -> Result<String> {
        self.expect_within(wanted, PATIENCE)
    }

    fn expect_within(&mut self, wanted: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let unseen = &self.said[self.seen..];
            if let Some(at) = unseen.windows(wanted.len()).position(|part| part == wanted.as_bytes()) {
                let output = String::from_utf8_lossy(&unseen[..at]).into_owned();
                self.seen += at + wanted.len();
                return Ok(output);
            }
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.said.extend(bytes),
                Err(_) => bail!("{wanted:?} is not shown"),
            }
        }
    }

    fn settings(&self) -> Result<String> {
        Ok(text(&tcgetattr(&self.terminal)?))
    }

    /// Waits for the launcher's end.
    fn end(&mut self) -> Result<Option<i32>> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(20)) {
                self.said.extend(bytes);
            }
        }
        bail!("the launcher does not end")
    }
}

fn text(settings: &Termios) -> String {
    format!("{settings:?}")
}
