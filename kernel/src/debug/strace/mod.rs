//! `exec --strace`: every call of every process but init, as it is made, on the standard error's channel.
//!
//! * [`table`]: what each call's arguments are; [`kind`]: how one is shown
//! * [`names`], [`structs`], [`requests`]: bits, structures and ioctls by name
//! * [`text`]: the line
//!
//! A traced machine has exception vectors of its own, whose way to the system calls leads through [`call`]: without
//! tracing, none of this is on anybody's way. The lines are shaped as strace's are.
#![forbid(unsafe_code)]

mod kind;
mod names;
mod requests;
mod structs;
mod table;
mod text;

use core::sync::atomic::{AtomicBool, Ordering};

use heaps::Errno;

use super::steps;
use crate::arch::TrapFrame;
use crate::drivers::console::{self, Channel};
use crate::process::signal::queue::Taken;
use crate::process::signal::{SIGCHLD, SIGSEGV};
use crate::process::{Thread, tree, with_current};
use crate::sync::{SpinLock, order};
use crate::syscall::{self, known, nr};
use kind::Kind;
use text::Text;

static ON: AtomicBool = AtomicBool::new(false);

/// The thread whose call stands in the last line, still without its result; 0 for none.
static OPEN: SpinLock<u32, { order::STRACE }> = SpinLock::new(0);

/// The column where results stand, as far as there is room.
const RESULT: usize = 40;

/// From here on everything is traced. At boot.
pub fn turn_on() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether calls are traced.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The calling thread's number, if it is traced.
fn traced() -> Option<u32> {
    let tid = with_current(|thread| (thread.process().pid() != tree::INIT).then(|| thread.tid()));
    tid.flatten().filter(|_| is_on())
}

/// A call that was begun.
struct Call {
    tid: u32,
    number: u64,
    arguments: [u64; 6],
    kinds: Option<&'static [Kind]>,
    /// How many arguments are shown, and how many columns that took.
    shown: usize,
    columns: usize,
}

/// Serves a system call as [`syscall::dispatch`] does, and shows it; or it is a step, where [`steps`] are calls too.
pub fn call(frame: &mut TrapFrame) {
    steps::call(frame.x[8]);
    let call = traced().map(|tid| Call::begin(tid, frame));
    syscall::dispatch(frame);
    if let Some(call) = call {
        call.end(frame.x[0] as i64);
    }
}

impl Call {
    fn begin(tid: u32, frame: &TrapFrame) -> Call {
        let number = frame.x[8];
        let arguments = core::array::from_fn(|i| frame.x[i]);
        let mut call = Call { tid, number, arguments, kinds: table::arguments(number), shown: 0, columns: 0 };
        let mut text = prefix(tid);
        call.name(&mut text);
        text.push("(");
        let first_out = call.kinds().iter().position(|kind| kind.is_out()).unwrap_or(call.kinds().len());
        call.show(&mut text, first_out, None);
        text.push(if (1..call.kinds().len()).contains(&first_out) { ", " } else { "" });
        call.columns = text.bytes().len();
        let mut open = OPEN.lock();
        interrupt(&mut open);
        console::emit(Channel::Stderr, text.bytes());
        *open = tid;
        call
    }

    fn name(&self, text: &mut Text) {
        match known::of(self.number) {
            Some(name) => text.push(name),
            None => text.put(format_args!("syscall_{:#x}", self.number)),
        }
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds.unwrap_or(&[Kind::Hex; 6])
    }

    /// Shows the arguments up to `end`.
    fn show(&mut self, text: &mut Text, end: usize, result: Option<i64>) {
        let from = self.shown;
        for at in from..end {
            let kind = self.kinds()[at];
            let left_out = match kind {
                Kind::Hidden => true,
                Kind::CreateMode => self.arguments[at - 1] & 0o20000100 == 0,
                Kind::FcntlArgument => matches!(self.arguments[1], 1 | 3 | 9 | 11 | 1032 | 1034),
                _ => false,
            };
            if !left_out {
                text.push(if at > from { ", " } else { "" });
                kind.show(text, &self.arguments, at, result);
            }
        }
        self.shown = end;
    }

    fn end(mut self, result: i64) {
        let mut resumed = prefix(self.tid);
        resumed.push("<... ");
        self.name(&mut resumed);
        resumed.push(" resumed>");
        let mut rest = Text::default();
        let ends = with_current(Thread::is_killed).unwrap_or(false);
        self.show(&mut rest, self.kinds().len(), Some(if ends { -1 } else { result }));
        rest.push(")");
        let mut outcome = Text::default();
        self.result(&mut outcome, result, ends);
        outcome.push("\n");

        let mut open = OPEN.lock();
        if *open != self.tid {
            interrupt(&mut open);
            self.columns = resumed.bytes().len();
            console::emit(Channel::Stderr, resumed.bytes());
        }
        console::emit(Channel::Stderr, rest.bytes());
        let columns = self.columns + rest.bytes().len();
        console::emit(Channel::Stderr, &[b' '; RESULT - 1][columns.min(RESULT - 1)..]);
        console::emit(Channel::Stderr, outcome.bytes());
        *open = 0;
    }

    fn result(&self, text: &mut Text, result: i64, ends: bool) {
        let restart = with_current(|thread| thread.restarts()).flatten();
        match (Errno::from_syscall(result as isize), restart) {
            _ if ends => text.push(" = ?"),
            (Err(Errno::EINTR), Some(why)) => text.put(format_args!(" = ? {}", why.describe())),
            (Err(errno), _) => {
                let (name, what) = (errno.name().unwrap_or("E?"), errno.text().unwrap_or("Unknown error"));
                text.put(format_args!(" = -1 {name} ({what})"));
            }
            (Ok(value), _) if table::returns_address(self.number) => text.put(format_args!(" = {value:#x}")),
            (Ok(value), _) if self.number == nr::FCNTL && self.arguments[1] == 3 => {
                text.put(format_args!(" = {value:#x} (flags "));
                names::open_flags(text, value as u64);
                text.push(")");
            }
            (Ok(0), _) if matches!(self.number, nr::PPOLL | nr::PSELECT6) => text.push(" = 0 (Timeout)"),
            (Ok(value), _) => text.put(format_args!(" = {}", value as i64)),
        }
    }
}

/// Ends a line that another thread left open.
fn interrupt(open: &mut u32) {
    if *open != 0 {
        console::emit(Channel::Stderr, b" <unfinished ...>\n");
        *open = 0;
    }
}

/// What stands before a thread's lines, where there are several threads.
fn prefix(tid: u32) -> Text {
    let mut text = Text::default();
    // Init has one.
    if tree::lock().thread_count() > 2 {
        text.put(format_args!("[pid {tid:5}] "));
    }
    text
}

fn line(mut prefix: Text, text: &Text) {
    prefix.push_bytes(text.bytes());
    let mut open = OPEN.lock();
    interrupt(&mut open);
    console::emit(Channel::Stderr, prefix.bytes());
}

/// The calling thread takes a signal.
pub fn signal(taken: &Taken) {
    let Some(tid) = traced() else { return };
    let info = taken.info;
    let mut text = Text::default();
    text.push("--- ");
    names::signal(&mut text, info.signal);
    text.push(" {si_signo=");
    names::signal(&mut text, info.signal);
    text.push(", si_code=");
    match code(info.signal, info.code) {
        Some(name) => text.push(name),
        None => text.put(format_args!("{}", info.code)),
    }
    match (info.signal, info.code) {
        (SIGCHLD, 1..) => {
            text.put(format_args!(", si_pid={}, si_uid=0, si_status=", info.detail as u32));
            match info.code {
                1 => text.put(format_args!("{}", taken.value)),
                _ => names::signal(&mut text, taken.value as u32),
            }
        }
        (4 | 5 | 7 | 8 | SIGSEGV, 1..0x80) => {
            text.push(", si_addr=");
            text.address(info.detail);
        }
        (_, ..=0) => text.put(format_args!(", si_pid={}, si_uid=0", info.detail as u32)),
        _ => {}
    }
    text.push("} ---\n");
    line(prefix(tid), &text);
}

/// Why a signal came, by name.
fn code(signal: u32, code: i32) -> Option<&'static str> {
    Some(match (signal, code) {
        (_, 0) => "SI_USER",
        (_, 0x80) => "SI_KERNEL",
        (_, -1) => "SI_QUEUE",
        (_, -2) => "SI_TIMER",
        (_, -6) => "SI_TKILL",
        (SIGCHLD, 1) => "CLD_EXITED",
        (SIGCHLD, 2) => "CLD_KILLED",
        (SIGCHLD, 5) => "CLD_STOPPED",
        (SIGCHLD, 6) => "CLD_CONTINUED",
        (SIGSEGV, 1) => "SEGV_MAPERR",
        (SIGSEGV, 2) => "SEGV_ACCERR",
        (SIGSEGV, 9) => "SEGV_MTESERR",
        (7, 1) => "BUS_ADRALN",
        (7, 2) => "BUS_ADRERR",
        (4, 1) => "ILL_ILLOPC",
        (5, 1) => "TRAP_BRKPT",
        _ => return None,
    })
}

/// The calling thread ends with a status word.
pub fn ended(status: u32) {
    let Some(tid) = traced() else { return };
    let mut text = Text::default();
    match status & 0x7f {
        0 => text.put(format_args!("+++ exited with {} +++\n", status >> 8 & 0xff)),
        by => {
            text.push("+++ killed by ");
            names::signal(&mut text, by);
            text.push(" +++\n");
        }
    }
    line(prefix(tid), &text);
}
