//! What a scenario does, each step written down at once.

use super::board::Board;
use super::race::Racer;
use crate::guest::buffer::Buffer;
use crate::guest::heap::Heap;
use crate::guest::provider::Provider;
use crate::judge::Conclusion;
use crate::rt::{Fd, Mapping, abi, file, socket};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::Cell;
use core::fmt;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// Where the steps are written.
pub const OBSERVATION: &str = "/run/observation";

/// Length of the buffers scenarios ask for, in bytes: more than a page, so that more than one is looked at.
pub const LENGTH: usize = 16 * 1024;

/// A scenario that cannot go on: a step that had to work did not.
#[derive(Debug)]
pub struct Stop(pub String);

/// Where a scenario takes its steps.
pub struct Stage {
    log: Log,
    /// Who takes them, where it is not the scenario's first process.
    who: &'static str,
    /// What a racer has besides.
    pub(super) racer: Option<Racer>,
    /// How many processes have taken a part so far, with numbers from 0.
    actors: Cell<u8>,
    concluded: bool,
}

/// Where the lines go.
enum Log {
    /// To the observation file, at once.
    File(Fd),
    /// To a board that the racers share: writing a file would have them wait for each other.
    Board(Rc<Board>),
}

impl Stage {
    /// A stage that appends to the observation file.
    pub fn new() -> Result<Stage> {
        let flags = abi::O_WRONLY | abi::O_CREAT | abi::O_APPEND | abi::O_CLOEXEC;
        let log = Log::File(Fd::open(OBSERVATION, flags)?);
        let stage = Stage { log, who: "", racer: None, actors: Cell::new(0), concluded: false };
        stage.enter_actor("scenario");
        Ok(stage)
    }

    /// Numbers a process that takes a part, called `who`.
    pub(super) fn enter_actor(&self, who: &str) -> u8 {
        let number = self.actors.get();
        self.actors.set(number + 1);
        self.line("actor", format_args!("{who}"));
        number
    }

    /// The stage of a round of the racing form.
    pub(super) fn of_round(board: &Rc<Board>) -> Stage {
        let log = Log::Board(board.clone());
        Stage { log, who: "", racer: None, actors: Cell::new(0), concluded: false }
    }

    /// What the racers share; `None` where nobody races.
    pub(super) fn board(&self) -> Option<&Rc<Board>> {
        match &self.log {
            Log::File(_) => None,
            Log::Board(board) => Some(board),
        }
    }

    /// The same for another process of the scenario, called `who`.
    pub(super) fn of_actor(&self, who: &'static str) -> Result<Stage> {
        let log = match &self.log {
            Log::File(fd) => Log::File(Fd::from_raw(file::dup(fd.raw())?)),
            Log::Board(board) => Log::Board(board.clone()),
        };
        Ok(Stage { log, who, racer: None, actors: Cell::new(0), concluded: false })
    }

    fn line(&self, word: &str, line: fmt::Arguments<'_>) {
        let (who, colon) = (self.who, if self.who.is_empty() { "" } else { ": " });
        let line = format!("{word} {who}{colon}{line}\n");
        match &self.log {
            // One write a line, so that a kill between two steps leaves whole lines.
            Log::File(fd) => drop(file::write_all(fd.raw(), line.as_bytes())),
            Log::Board(board) => board.write(line.as_bytes()),
        }
    }

    /// Writes down something that was seen.
    pub fn note(&self, what: fmt::Arguments<'_>, result: impl fmt::Display) {
        self.line("step", format_args!("{what} -> {result}"));
    }

    /// Takes a step: writes down that it begins, and then what came of it.
    pub fn taken<T>(&self, what: fmt::Arguments<'_>, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.shown(what, step, |_| String::from("ok"))
    }

    /// The same, where success has something to show.
    fn shown<T>(
        &self,
        what: fmt::Arguments<'_>,
        step: impl FnOnce() -> Result<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T> {
        self.line("begin", what);
        let result = step();
        match &result {
            Ok(value) => self.note(what, show(value)),
            Err(e) => self.note(what, e),
        }
        result
    }

    /// Says what the scenario found. Once a scenario, as soon as it is known: what follows may kill it.
    pub fn conclude(&mut self, conclusion: Conclusion) {
        self.concluded = true;
        self.line("conclude", format_args!("{conclusion}"));
    }

    /// Whether a conclusion was written.
    pub fn concluded(&self) -> bool {
        self.concluded
    }

    /// Loads the provider, which registers heap `heap`. Has to work.
    pub fn load(&self, heap: &str) -> core::result::Result<Provider, Stop> {
        must("load", self.reload(heap))
    }

    /// Loads the provider, where an earlier round has not left it because it could not be removed. Has to work.
    pub fn have(&self, heap: &str, parameters: &str) -> core::result::Result<Provider, Stop> {
        let what = format_args!("finit_module tee_heap name={heap} {parameters}");
        match self.taken(what, || Provider::load_with(heap, parameters)) {
            Err(Errno::EEXIST) => Ok(Provider::loaded(heap)),
            other => must("load", other),
        }
    }

    /// Loads the provider; may be refused.
    pub fn reload(&self, heap: &str) -> Result<Provider> {
        self.taken(format_args!("finit_module tee_heap name={heap}"), || Provider::load(heap))
    }

    /// Loads the provider with further parameters. Has to work.
    pub fn load_with(&self, heap: &str, parameters: &str) -> core::result::Result<Provider, Stop> {
        let what = format_args!("finit_module tee_heap name={heap} {parameters}");
        must("load", self.taken(what, || Provider::load_with(heap, parameters)))
    }

    /// Loads a numbered copy of the provider beside others; may be refused.
    pub fn load_beside(&self, heap: &str, instance: u32) -> Result<Provider> {
        let what = format_args!("init_module tee_heap_{instance} name={heap}");
        self.taken(what, || Provider::load_instance(heap, instance))
    }

    /// Unregisters the heap by taking the device from its driver.
    pub fn unbind(&self, provider: &Provider) -> Result<()> {
        self.taken(format_args!("unbind {}", provider.module), || provider.unbind())
    }

    /// Has the device go, and its memory with it.
    pub fn unplug(&self, provider: &Provider) -> Result<()> {
        self.taken(format_args!("unplug {}", provider.module), || provider.unplug())
    }

    /// Unloads the provider's module.
    pub fn unload(&self, provider: &Provider) -> Result<()> {
        self.taken(format_args!("delete_module {}", provider.module), || provider.unload())
    }

    /// Opens a heap by name; may be refused.
    pub fn try_open(&self, heap: &str) -> Result<Heap> {
        self.shown(format_args!("open {heap}"), || Heap::open(heap), |fd| format!("fd {}", fd.raw()))
    }

    /// Opens a heap by name. Has to work.
    pub fn open(&self, heap: &str) -> core::result::Result<Heap, Stop> {
        must("open", self.try_open(heap))
    }

    /// Opens the node of an open heap again, through /proc; may be refused.
    pub fn reopen(&self, heap: &Heap) -> Result<Heap> {
        let path = format!("/proc/self/fd/{}", heap.raw());
        self.shown(format_args!("open {path}"), || Heap::open_path(&path), |fd| format!("fd {}", fd.raw()))
    }

    /// The name of the heap that buffers from this descriptor come from. Has to work.
    pub fn exporter_of(&self, heap: &Heap) -> core::result::Result<String, Stop> {
        let buffer = match self.try_allocate(heap) {
            Ok(buffer) => buffer,
            Err(e) => return Ok(format!("{e}")),
        };
        let name = self.exporter(&buffer)?;
        self.close_buffer(buffer)?;
        Ok(name)
    }

    /// The exporter's name in a buffer's fdinfo. Has to work.
    pub fn exporter(&self, buffer: &Buffer) -> core::result::Result<String, Stop> {
        let exporter = || {
            let info = buffer.fdinfo()?;
            let name = info.lines().find_map(|line| line.strip_prefix("exp_name:"));
            name.map(|name| String::from(name.trim())).ok_or(Errno::EIO)
        };
        let what = format_args!("exp_name in /proc/self/fdinfo/{}", buffer.raw());
        must("fdinfo", self.shown(what, exporter, String::clone))
    }

    /// Asks a heap for a buffer; may be refused.
    pub fn try_allocate(&self, heap: &Heap) -> Result<Buffer> {
        let what = format_args!("ioctl ALLOC {LENGTH} on fd {}", heap.raw());
        self.shown(what, || heap.allocate(LENGTH), |buffer| format!("fd {}", buffer.raw()))
    }

    /// Asks a heap for a buffer. Has to work.
    pub fn allocate(&self, heap: &Heap) -> core::result::Result<Buffer, Stop> {
        must("ALLOC", self.try_allocate(heap))
    }

    /// The device number behind an open heap. Has to work.
    pub fn device(&self, heap: &Heap) -> core::result::Result<u64, Stop> {
        let device = must("fstat", heap.device())?;
        self.note(format_args!("fstat fd {}", heap.raw()), format_args!("rdev {device:#x}"));
        Ok(device)
    }

    /// The device number of a heap's node, which is not opened for it. Has to work.
    pub fn number(&self, heap: &str) -> core::result::Result<u64, Stop> {
        let device = must("stat", Heap::number(heap))?;
        self.note(format_args!("stat {heap}"), format_args!("rdev {device:#x}"));
        Ok(device)
    }

    /// Maps a buffer. Has to work.
    pub fn map(&self, buffer: &Buffer) -> core::result::Result<Mapping, Stop> {
        must("mmap", self.taken(format_args!("mmap fd {}", buffer.raw()), || buffer.map()))
    }

    /// Writes a pattern of `seed` over a mapping.
    pub fn fill(&self, mapping: &Mapping, seed: u64) {
        for offset in (0..mapping.length()).step_by(8) {
            mapping.put_word(offset, pattern(seed, offset));
        }
        self.note(format_args!("write pattern {seed}"), format_args!("{} bytes", mapping.length()));
    }

    /// Whether a mapping still holds the pattern of `seed`.
    pub fn holds(&self, mapping: &Mapping, seed: u64) -> bool {
        let wrong = (0..mapping.length()).step_by(8).find(|&at| mapping.word(at) != pattern(seed, at));
        match wrong {
            None => self.note(format_args!("read pattern {seed}"), "same"),
            Some(at) => self.note(
                format_args!("read pattern {seed}"),
                format_args!("differs at {at:#x}: {:#x}", mapping.word(at)),
            ),
        }
        wrong.is_none()
    }

    /// Unmaps.
    pub fn unmap(&self, mapping: Mapping) -> core::result::Result<(), Stop> {
        must("munmap", self.taken(format_args!("munmap"), || mapping.unmap()))
    }

    /// Uses a buffer's descriptor in every way there is: SYNC, SET_NAME, size, fdinfo.
    pub fn use_buffer(&self, buffer: &Buffer) -> core::result::Result<(), Stop> {
        let fd = buffer.raw();
        must("SYNC", self.taken(format_args!("ioctl SYNC start, end on fd {fd}"), || buffer.sync()))?;
        must(
            "SET_NAME",
            self.taken(format_args!("ioctl SET_NAME outliver on fd {fd}"), || buffer.set_name("outliver")),
        )?;
        let size = must("lseek", buffer.size())?;
        self.note(format_args!("lseek fd {fd} to its end"), size);
        let info =
            must("fdinfo", self.taken(format_args!("read /proc/self/fdinfo/{fd}"), || buffer.fdinfo()))?;
        for line in info.lines().filter(|line| line.starts_with("exp_name") || line.starts_with("name")) {
            self.note(format_args!("fdinfo"), line.trim().replace('\t', " "));
        }
        if size != LENGTH as u64 {
            return Err(Stop(format!("the buffer's size became {size}")));
        }
        if !info.lines().any(|line| line.starts_with("name:") && line.ends_with("outliver")) {
            return Err(Stop("fdinfo does not show the buffer's name".into()));
        }
        Ok(())
    }

    /// Sends a buffer's descriptor along with a byte. Has to work.
    pub fn send_buffer(&self, to: &Fd, buffer: &Buffer) -> core::result::Result<(), Stop> {
        let what = format_args!("sendmsg SCM_RIGHTS fd {}", buffer.raw());
        must("sendmsg", self.taken(what, || socket::send_files(to.raw(), &[buffer.raw()])))
    }

    /// Receives a byte and the buffer that comes with it. Has to work.
    pub fn receive_buffer(&self, from: &Fd) -> core::result::Result<Buffer, Stop> {
        let show = |fd: &Fd| format!("fd {}", fd.raw());
        let fd = self.shown(format_args!("recvmsg SCM_RIGHTS"), || socket::receive_file(from.raw()), show);
        must("recvmsg", fd).map(|fd| Buffer::new(fd, LENGTH))
    }

    /// Closes an open heap.
    pub fn close_heap(&self, heap: Heap) -> core::result::Result<(), Stop> {
        let fd = heap.raw();
        must("close", self.taken(format_args!("close heap fd {fd}"), || heap.close()))
    }

    /// Closes a buffer's descriptor.
    pub fn close_buffer(&self, buffer: Buffer) -> core::result::Result<(), Stop> {
        let fd = buffer.raw();
        must("close", self.taken(format_args!("close buffer fd {fd}"), || buffer.close()))
    }
}

/// Turns a refusal of a step that had to work into the scenario's end.
pub fn must<T>(what: &str, result: Result<T>) -> core::result::Result<T, Stop> {
    result.map_err(|e: Errno| Stop(format!("{what}: {e}")))
}

/// The word of pattern `seed` at `offset`: different for every offset and seed.
fn pattern(seed: u64, offset: usize) -> u64 {
    (seed << 32 | offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
