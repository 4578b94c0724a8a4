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
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::{launcher, trial};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Commands, and what each has to print.
const COMMANDS: [(&str, &[&str]); 14] = [
    ("echo $((6*7))", &["42"]),
    ("ls -l /dev/dma_heap", &["system", "default_cma_region"]),
    ("ps", &["/sbin/init", "ash"]),
    ("mount", &["proc on /proc type proc", "devtmpfs on /dev"]),
    ("lsmod", &["system_heap", "cma_heap"]),
    ("insmod /lib/modules/tee_heap.ko name=mine && ls /dev/dma_heap && rmmod tee_heap", &["mine"]),
    ("free", &["Mem:"]),
    ("stty -a", &["rows 40; columns 100", "icanon"]),
    ("cat /proc/self/maps", &["[stack]", "[heap]", "r-xp"]),
    ("find / | wc -l | awk '{ print ($1 > 300) ? \"many\" : \"few\" }'", &["many"]),
    ("cat /proc/mounts | sort | uniq | head -n 3 | wc -l | tr 3 x", &["x"]),
    ("f() { echo in-$1; }; trap 'echo trap''ped' USR1; f func; kill -USR1 $$", &["in-func", "trapped"]),
    ("(sleep 1; echo one) & wait; yes | head -n 2 | tr -d '\\n'", &["one", "yy"]),
    ("echo from-a-file > /tmp/x; sed s/from/to/ /tmp/x", &["to-a-file"]),
];

/// With one CPU and with four: `shell::session-1`, `shell::session-4`.
pub fn trials() -> Vec<Trial> {
    ["1", "4"].map(|cpus| trial(format!("shell::session-{cpus}"), move || session(cpus))).into()
}

fn session(cpus: &str) -> Result<()> {
    // Both may take long, and neither is what is tested.
    build::guest()?;
    busybox::obtain(None)?;
    let mut shell = Shell::start(cpus)?;
    let outcome = converse(&mut shell);
    let _ = shell.child.kill();
    outcome.with_context(|| format!("it said:\n{}", String::from_utf8_lossy(&shell.said)))
}

fn converse(shell: &mut Shell) -> Result<()> {
    shell.expect("lastref:")?;
    for (command, prints) in COMMANDS {
        let output = shell.command(command)?;
        for text in prints {
            ensure!(output.contains(text), "{command}: there is no {text:?} in {output:?}");
        }
    }

    shell.keys("sleep 100\r")?;
    shell.settle();
    shell.keys("\x03")?;
    let output = shell.command("echo status $?")?;
    ensure!(output.contains("status 130"), "Ctrl-C: {output:?}");

    shell.keys("sleep 2\r")?;
    shell.settle();
    shell.keys("\x1a")?;
    shell.expect("Stopped")?;
    ensure!(shell.command("jobs; grep State /proc/$!/status /proc/[0-9]*/status")?.contains("(stopped)"));
    let output = shell.command("fg; echo status $?")?;
    ensure!(output.contains("status 0"), "fg: {output:?}");
    shell.keys("cat &\r")?;
    shell.settle();
    let output = shell.command("jobs")?;
    ensure!(output.contains("Stopped (tty input)"), "a background reader: {output:?}");
    // `wait` would not wait for a stopped job, and with one the shell does not exit.
    shell.command("kill -9 %1; sleep 1")?;
    shell.expect("Killed")?;

    shell.keys("ech\x01\x0becho b\x1b[Da\r")?;
    shell.expect("\nab\r")?;
    ensure!(shell.settings()? != shell.before, "the terminal is raw while the shell runs");
    shell.keys("exit 3\r")?;
    let status = shell.end()?;
    ensure!(status == Some(3), "the shell exits with 3, the launcher with {status:?}");
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

    /// Lets a program start that says nothing about it.
    fn settle(&mut self) {
        std::thread::sleep(Duration::from_secs(2));
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
        let deadline = Instant::now() + PATIENCE;
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
