//! One machine: what it is given, and what came out of it.
//!
//! ```no_run
//! let guest = lastref::build::guest()?;
//! let outcome = lastref::Machine::new(guest).cpus(4).command(["/bin/stress"]).capture()?;
//! assert_eq!(outcome.status(), Some(0));
//! # anyhow::Ok(())
//! ```

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::build::{Guest, System};
use crate::console::{Channel, Demultiplexer, Lines};
use crate::initramfs::{Initramfs, Put};
use crate::input::Stdin;
use crate::process::{self, Ending};
use crate::qemu::{self, Device, Hardware};
use crate::records::Record;
use crate::report::Filter;
use crate::symbolise::Symboliser;
use crate::{command_line, device_tree, install};

/// A machine about to be booted.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    guest: &'a Guest,
    hardware: Hardware,
    discipline: Option<String>,
    kernel_arguments: String,
    command: Vec<String>,
    files: Vec<(String, u32, Vec<u8>)>,
    puts: Vec<Put>,
    stdin: Stdin,
    monitor: Option<PathBuf>,
    limit: Option<Duration>,
    qemu: Option<PathBuf>,
}

/// Something a running machine said.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes of a program's standard output.
    Stdout(&'a [u8]),
    /// Bytes of a program's standard error.
    Stderr(&'a [u8]),
    /// A line of the kernel's log, its addresses named; it may have become several lines.
    Log {
        /// The line.
        line: &'a str,
        /// Whether it belongs to a detection report or a panic, which must always be seen.
        report: bool,
    },
    /// A record of the lab's.
    Record(Record),
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It powered itself off with this status: that of its first process, or 101 after a panic.
    Status(u8),
    /// It was still running at its time-out.
    TimedOut,
    /// The launcher was told to end by this signal.
    Interrupted(i32),
}

/// All that came out of a machine.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The programs' standard output.
    pub stdout: Vec<u8>,
    /// The programs' standard error.
    pub stderr: Vec<u8>,
    /// The kernel's whole log, reports included, addresses named.
    pub log: String,
    /// The reports and panics alone.
    pub reports: String,
    /// The lab's records.
    pub records: Vec<Record>,
    /// How long it ran on the host.
    pub elapsed: Duration,
}

impl Outcome {
    /// The status it powered off with, if it did.
    pub fn status(&self) -> Option<u8> {
        match self.end {
            End::Status(status) => Some(status),
            End::TimedOut | End::Interrupted(_) => None,
        }
    }

    /// Whether it was still running at its time-out.
    pub fn timed_out(&self) -> bool {
        self.end == End::TimedOut
    }
}

impl<'a> Machine<'a> {
    /// A machine with one CPU and 512 MiB, without input, that is given a minute.
    pub fn new(guest: &'a Guest) -> Machine<'a> {
        Machine {
            guest,
            hardware: Hardware::default(),
            discipline: None,
            kernel_arguments: String::new(),
            command: Vec::new(),
            files: Vec::new(),
            puts: Vec::new(),
            stdin: Stdin::Null,
            monitor: None,
            limit: Some(Duration::from_secs(60)),
            qemu: None,
        }
    }

    /// Sets the whole hardware.
    pub fn hardware(mut self, hardware: Hardware) -> Self {
        self.hardware = hardware;
        self
    }

    /// Sets how many CPUs it has.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.hardware.cpus = cpus;
        self
    }

    /// Sets how much memory it has, in MiB.
    pub fn memory(mut self, mib: u32) -> Self {
        self.hardware.memory = mib;
        self
    }

    /// Adds a device.
    pub fn device(mut self, device: Device) -> Self {
        self.hardware.devices.push(device);
        self
    }

    /// Puts an IOMMU between PCI devices and memory.
    pub fn iommu(mut self) -> Self {
        self.hardware.iommu = true;
        self
    }

    /// Counts time in instructions: one is one nanosecond.
    pub fn icount(mut self) -> Self {
        self.hardware.icount = true;
        self
    }

    /// Selects the discipline heaps live by; without it, the kernel's default.
    pub fn discipline(mut self, name: impl Into<String>) -> Self {
        self.discipline = Some(name.into());
        self
    }

    /// Appends to the kernel's command line.
    pub fn kernel_arguments(mut self, text: &str) -> Self {
        self.kernel_arguments = format!("{} {text}", self.kernel_arguments).trim().to_owned();
        self
    }

    /// The program that the first process runs, by its path on the guest, and its arguments.
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(S::into).collect();
        self
    }

    /// Adds an executable file with this content to the guest's root.
    pub fn file(mut self, guest: impl Into<String>, content: Vec<u8>) -> Self {
        self.files.push((guest.into(), 0o755, content));
        self
    }

    /// Adds a file with this text to the guest's root.
    pub fn text(mut self, guest: &str, text: &str) -> Self {
        self.files.push((guest.into(), 0o644, text.into()));
        self
    }

    /// Copies a file or directory of the host's to the guest's root.
    pub fn put(mut self, put: Put) -> Self {
        self.puts.push(put);
        self
    }

    /// What the machine's console reads.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Has QEMU listen on a socket at this path for commands in its machine protocol (QMP).
    pub fn monitor(mut self, socket: impl Into<PathBuf>) -> Self {
        self.monitor = Some(socket.into());
        self
    }

    /// How long it may run; `None` for ever.
    pub fn limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Boots with this QEMU instead of the host's.
    pub fn qemu(mut self, program: impl Into<PathBuf>) -> Self {
        self.qemu = Some(program.into());
        self
    }

    /// The kernel's command line.
    pub fn kernel_command_line(&self) -> Result<String> {
        let discipline = self.discipline.as_ref().map(|name| format!("lastref.discipline={name}"));
        let options = match self.guest.system {
            System::Lastref => ["lastref.console=framed"].as_slice(),
            // Panics alone are printed; one ends the machine.
            System::Linux => ["console=ttyAMA0", "loglevel=1", "panic=-1", "rdinit=/sbin/init"].as_slice(),
        };
        let options = options
            .iter()
            .copied()
            .chain(discipline.as_deref())
            .chain(self.hardware.devices.iter().filter_map(|device| device.kernel_argument()))
            .chain((!self.kernel_arguments.is_empty()).then_some(self.kernel_arguments.as_str()));
        command_line::compose(options, &self.command)
    }

    /// Boots it, hands what it says to `sink` as it comes, and returns how it ended.
    pub fn run(&self, mut sink: impl FnMut(Event<'_>)) -> Result<End> {
        let qemu = match &self.qemu {
            Some(qemu) => qemu.clone(),
            None => install::ready()?.qemu.clone(),
        };
        ensure!(qemu.is_file(), "there is no QEMU at {}", qemu.display());
        let directory = tempfile::Builder::new().prefix("lastref-").tempdir()?;
        let (kernel, initramfs) = (directory.path().join("Image"), directory.path().join("initramfs.cpio"));
        std::fs::write(&kernel, &self.guest.image).context("cannot write the kernel's image")?;
        std::fs::write(&initramfs, self.initramfs()?).context("cannot write the initramfs")?;

        let mut command = process::leashed(qemu.as_os_str());
        let user_exit = self.guest.system == System::Linux;
        let tags = self.guest.detector.wants_tags();
        let hardware = Hardware { user_exit, tags, ..self.hardware.clone() };
        command.args(hardware.arguments(&kernel, &initramfs, &self.kernel_command_line()?));
        if !self.hardware.regions.is_empty() {
            let tree = directory.path().join("machine.dtb");
            std::fs::write(&tree, device_tree::with_regions(&qemu, &hardware)?)
                .context("cannot write the device tree")?;
            command.arg("-dtb").arg(tree);
        }
        if let Some(socket) = &self.monitor {
            let mut option = OsString::from("unix:");
            option.push(socket);
            option.push(",server=on,wait=off");
            command.arg("-qmp").arg(option);
        }
        let mut listener = Listener::new(self.guest);
        let (ending, stderr) = process::run(command, self.stdin.clone(), self.limit, |bytes| {
            listener.hear(bytes, &mut sink);
        })?;
        listener.finish(&mut sink);
        // Its panic resets the machine, which looks like success.
        ensure!(!(user_exit && listener.reader.filter == Filter::Panic), "Linux panicked: see its log");
        Ok(match ending {
            Ending::Exited(status) => End::Status(qemu::guest_status(status, listener.heard, &stderr)?),
            Ending::TimedOut => End::TimedOut,
            Ending::Interrupted(signal) => End::Interrupted(signal),
        })
    }

    /// Boots it and keeps all it says.
    pub fn capture(&self) -> Result<Outcome> {
        let start = Instant::now();
        let mut outcome = Outcome {
            end: End::TimedOut,
            stdout: Vec::new(),
            stderr: Vec::new(),
            log: String::new(),
            reports: String::new(),
            records: Vec::new(),
            elapsed: Duration::ZERO,
        };
        outcome.end = self.run(|event| match event {
            Event::Stdout(bytes) => outcome.stdout.extend_from_slice(bytes),
            Event::Stderr(bytes) => outcome.stderr.extend_from_slice(bytes),
            Event::Record(record) => outcome.records.push(record),
            Event::Log { line, report } => {
                outcome.log.extend([line, "\n"]);
                if report {
                    outcome.reports.extend([line, "\n"]);
                }
            }
        })?;
        outcome.elapsed = start.elapsed();
        Ok(outcome)
    }

    fn initramfs(&self) -> Result<Vec<u8>> {
        let mut root = Initramfs::new(self.guest);
        for (path, permissions, content) in &self.files {
            root.file(path, *permissions, content);
        }
        for put in &self.puts {
            root.copy(put)?;
        }
        Ok(root.finish())
    }
}

/// Makes events of the bytes on the serial line.
struct Listener<'a> {
    guest: &'a Guest,
    demultiplexer: Demultiplexer,
    log: Lines,
    records: Lines,
    reader: Reader,
    heard: bool,
}

/// Reads lines, names the addresses in them and tells reports from the rest. The kernel's symbols are
/// loaded when the first address comes.
#[derive(Default)]
struct Reader {
    filter: Filter,
    symboliser: OnceCell<Option<Symboliser>>,
}

impl<'a> Listener<'a> {
    fn new(guest: &'a Guest) -> Listener<'a> {
        Listener {
            guest,
            demultiplexer: Demultiplexer::default(),
            log: Lines::default(),
            records: Lines::default(),
            reader: Reader::default(),
            heard: false,
        }
    }

    fn hear(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.heard = true;
        let Listener { guest, log, records, reader, .. } = self;
        self.demultiplexer.push(bytes, |channel, bytes| match channel {
            Channel::Stdout => sink(Event::Stdout(bytes)),
            Channel::Stderr => sink(Event::Stderr(bytes)),
            Channel::Log => log.push(bytes, |line| reader.log(guest, line, sink)),
            Channel::Records => records.push(bytes, |line| reader.record(guest, line, sink)),
        });
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.log.finish(|line| self.reader.log(self.guest, line, sink));
        self.records.finish(|line| self.reader.record(self.guest, line, sink));
    }
}

impl Reader {
    fn log(&mut self, guest: &Guest, line: &str, sink: &mut impl FnMut(Event<'_>)) {
        let report = self.filter.shows(line);
        sink(Event::Log { line: &self.name_addresses(guest, line), report });
    }

    /// A record that cannot be read is shown with the reports: it must not pass for one that never came.
    fn record(&self, guest: &Guest, line: &str, sink: &mut impl FnMut(Event<'_>)) {
        match Record::parse(line) {
            Ok(mut record) => {
                if let Record::Cell(cell) = &mut record {
                    for text in cell.place.iter_mut().chain(&mut cell.reports).chain(&mut cell.detail) {
                        *text = self.name_addresses(guest, text).into_owned();
                    }
                }
                sink(Event::Record(record));
            }
            Err(error) => {
                let line = format!("lastref: unreadable record ({error}): {line}");
                sink(Event::Log { line: &line, report: true });
            }
        }
    }

    fn name_addresses<'t>(&self, guest: &Guest, text: &'t str) -> Cow<'t, str> {
        if !text.contains("[<") {
            return text.into();
        }
        let symboliser = self.symboliser.get_or_init(|| Symboliser::new(guest).ok());
        symboliser.as_ref().map_or(text.into(), |symboliser| symboliser.line(text).into())
    }
}
