//! One argument, shown as what it is.
//!
//! What the kernel fills in is shown when the call has come back; everything else before, for it may not come back.
#![forbid(unsafe_code)]

use super::names::{self, Names};
use super::requests;
use super::structs;
use super::text::Text;
use crate::mm::user;

/// What an argument is. Those named `…Out` are filled in by the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// 32 bits, signed.
    Int,
    /// 32 bits, unsigned.
    Uint,
    /// 64 bits, signed.
    Long,
    /// 64 bits, unsigned.
    Size,
    /// Bits without names.
    Hex,
    /// An address, and nothing of what is there.
    Pointer,
    /// Not shown.
    Hidden,
    /// One of these values.
    Value(Names),
    /// Some of these bits.
    Bits(Names),
    /// open's flags.
    Open,
    /// clone's flags, with the signal among them.
    Clone,
    /// `struct clone_args`, whose length follows.
    CloneArguments,
    /// Permissions.
    Mode,
    /// Permissions, if open's flags before say that a file is made.
    CreateMode,
    /// A file's type and permissions.
    FileMode,
    /// A directory's descriptor.
    Dir,
    /// A string.
    Path,
    /// Bytes, as many as the next argument says.
    In,
    /// Bytes, as many as the result says.
    Out,
    /// A string.
    TextOut,
    /// Vectors of bytes, as many as the next argument says.
    VectorIn,
    /// The same.
    VectorOut,
    /// execve's arguments.
    Arguments,
    /// execve's environment: how many there are.
    Environment,
    /// A directory's entries: how many bytes.
    Entries,
    /// Two descriptors.
    Pair,
    /// A signal.
    Signal,
    /// A set of signals.
    SetIn,
    /// The same.
    SetOut,
    /// `struct sigaction`.
    ActionIn,
    /// The same.
    ActionOut,
    /// `struct sigaltstack`.
    StackIn,
    /// The same.
    StackOut,
    /// `struct timespec`.
    TimeIn,
    /// The same.
    TimeOut,
    /// Two of them.
    TimesIn,
    /// `struct timeval`.
    TimevalIn,
    /// The same.
    TimevalOut,
    /// `struct itimerspec`.
    IntervalIn,
    /// The same.
    IntervalOut,
    /// `struct itimerval`.
    IntervalvalIn,
    /// The same.
    IntervalvalOut,
    /// `struct stat`.
    Stat,
    /// wait4's status word.
    Status,
    /// `struct rlimit`.
    LimitIn,
    /// The same.
    LimitOut,
    /// `struct pollfd`s, as many as the next argument says.
    Polled,
    /// One `struct epoll_event`.
    Event,
    /// Those that epoll_wait found, as many as the result says.
    Events,
    /// A number of 64 bits.
    WordIn,
    /// The same.
    WordOut,
    /// A number of 32 bits.
    IntOut,
    /// futex' operation.
    Futex,
    /// Its time, or its second number.
    FutexTime,
    /// What comes with an fcntl's command.
    FcntlArgument,
    /// What comes with a prctl's.
    PrctlArgument,
    /// An ioctl's number.
    Command,
    /// What comes with it.
    CommandArgument,
}

use Kind::*;

impl Kind {
    /// Whether it can be shown only when the call has come back.
    pub fn is_out(self) -> bool {
        matches!(
            self,
            Out | TextOut
                | VectorOut
                | Entries
                | Pair
                | SetOut
                | ActionOut
                | StackOut
                | TimeOut
                | TimevalOut
                | IntervalOut
                | IntervalvalOut
                | Stat
                | Status
                | LimitOut
                | Polled
                | Events
                | WordOut
                | IntOut
                | CommandArgument
        )
    }

    /// Shows argument `at` of all six. `result` is what the call came back with, once it has.
    pub fn show(self, text: &mut Text, all: &[u64; 6], at: usize, result: Option<i64>) {
        let value = all[at];
        let next = all.get(at + 1).copied().unwrap_or(0);
        match self {
            Int => text.put(format_args!("{}", value as i32)),
            Uint => text.put(format_args!("{}", value as u32)),
            Long => text.put(format_args!("{}", value as i64)),
            Size => text.put(format_args!("{value}")),
            Hex if value == 0 => text.push("0"),
            Hex => text.put(format_args!("{value:#x}")),
            Hidden => {}
            Value(names) => names::value(text, names, u64::from(value as u32)),
            Bits(names) => names::bits(text, names, value),
            Open => names::open_flags(text, u64::from(value as u32)),
            Clone => clone_flags(text, value),
            CreateMode | Mode => structs::permissions(text, value as u32),
            FileMode => structs::mode(text, value as u32),
            Dir if value as i32 == -100 => text.push("AT_FDCWD"),
            Dir => text.put(format_args!("{}", value as i32)),
            Path => text.string(value),
            In => text.buffer(value, next),
            Signal => names::signal(text, value as u32),
            Futex => futex(text, value as u32),
            Command => requests::number(text, value as u32),
            FcntlArgument => fcntl(text, all[1], value),
            PrctlArgument if all[0] == 15 => text.string(value),
            PrctlArgument => text.address(value),
            FutexTime if matches!(all[1] & 0x7f, 0 | 6 | 9) => structs::time(text, value, "tv_nsec"),
            FutexTime => text.put(format_args!("{}", value as u32)),
            _ => self.show_memory(text, all, at, result),
        }
    }

    /// What the argument points to; where that was not filled in, the address.
    fn show_memory(self, text: &mut Text, all: &[u64; 6], at: usize, result: Option<i64>) {
        let (value, next) = (all[at], all.get(at + 1).copied().unwrap_or(0));
        let got = result.unwrap_or(0);
        if self == CommandArgument {
            return requests::argument(text, all[1] as u32, value, got);
        }
        if value == 0 || self.is_out() && got < 0 {
            return text.address(value);
        }
        match self {
            Out => text.buffer(value, got as u64),
            TextOut => text.string(value),
            VectorIn | VectorOut => vectors(text, value, next, if self == VectorIn { i64::MAX } else { got }),
            Arguments => text.strings(value),
            Environment => environment(text, value),
            Entries => text.put(format_args!("{value:#x} /* {got} bytes */")),
            Pair => text.list(value, 2, 4, &mut |text, at| text.number::<i32>(at)),
            SetIn | SetOut => structs::set(text, value),
            ActionIn | ActionOut => structs::action(text, value),
            StackIn | StackOut => structs::stack(text, value),
            TimeIn | TimeOut => structs::time(text, value, "tv_nsec"),
            TimevalIn | TimevalOut => structs::time(text, value, "tv_usec"),
            TimesIn => text.list(value, 2, 16, &mut |text, at| {
                structs::time(text, at, "tv_nsec");
                true
            }),
            IntervalIn | IntervalOut => structs::interval(text, value, "tv_nsec"),
            IntervalvalIn | IntervalvalOut => structs::interval(text, value, "tv_usec"),
            Stat => structs::stat(text, value),
            Status if got == 0 => text.address(value),
            Status => structs::status(text, value),
            LimitIn | LimitOut => structs::limit(text, value),
            Polled => text.list(value, next, 8, &mut structs::polled),
            Event => drop(structs::event(text, value)),
            Events => text.list(value, got as u64, 16, &mut structs::event),
            WordIn | WordOut => text.list(value, 1, 8, &mut |text, at| text.number::<u64>(at)),
            IntOut => text.list(value, 1, 4, &mut |text, at| text.number::<i32>(at)),
            CloneArguments => structs::clone(text, value, next),
            _ => text.address(value),
        }
    }
}

/// Vectors of bytes, `left` of which count.
fn vectors(text: &mut Text, addr: u64, count: u64, mut left: i64) {
    text.list(addr, count, 16, &mut |text, at| {
        let Ok([base, len]) = user::read::<[u64; 2]>(at) else { return false };
        let shown = len.min(left.max(0) as u64);
        text.push("{iov_base=");
        text.buffer(base, shown);
        text.put(format_args!(", iov_len={len}}}"));
        left = left.saturating_sub_unsigned(len);
        true
    });
}

fn environment(text: &mut Text, addr: u64) {
    let mut count = 0;
    while user::read::<u64>(addr.wrapping_add(count * 8)).is_ok_and(|at| at != 0) {
        count += 1;
    }
    let plural = if count == 1 { "" } else { "s" };
    text.put(format_args!("{addr:#x} /* {count} var{plural} */"));
}

/// clone's flags and, beside them, a signal.
pub fn clone_flags(text: &mut Text, value: u64) {
    let (flags, signal) = (value & !0xff, (value & 0xff) as u32);
    if flags != 0 {
        names::bits(text, names::CLONE, flags);
    }
    match (flags, signal) {
        (0, 0) => text.push("0"),
        (_, 0) => {}
        _ => {
            text.push(if flags != 0 { "|" } else { "" });
            names::signal(text, signal);
        }
    }
}

fn futex(text: &mut Text, op: u32) {
    match names::FUTEX.iter().find(|(known, _)| *known == u64::from(op & 0x7f)) {
        Some((_, name)) => text.push(name),
        None => text.put(format_args!("{:#x}", op & 0x7f)),
    }
    text.push(if op & 0x80 != 0 { "_PRIVATE" } else { "" });
    text.push(if op & 0x100 != 0 { "|FUTEX_CLOCK_REALTIME" } else { "" });
}

fn fcntl(text: &mut Text, command: u64, value: u64) {
    match command {
        2 => text.push(if value & 1 != 0 { "FD_CLOEXEC" } else { "0" }),
        4 => names::open_flags(text, value),
        1033 => names::bits(text, names::SEALS, value),
        _ => text.put(format_args!("{}", value as i32)),
    }
}
