//! Structures in user memory, shown field by field; where they cannot be read, by their address.
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::kind::clone_flags;
use super::names::{self, SIGNALS};
use super::text::Text;
use crate::mm::user;
use crate::process::signal::{Action, DEFAULT, IGNORE, SA_RESTORER, SigSet, SignalStack};

/// Reads what is there and has it shown.
fn with<T: FromBytes + FromZeros + IntoBytes>(text: &mut Text, addr: u64, show: impl FnOnce(&mut Text, T)) {
    match user::read(addr) {
        Ok(value) if addr != 0 => show(text, value),
        _ => text.address(addr),
    }
}

/// Permissions, as C has octal numbers.
pub fn permissions(text: &mut Text, mode: u32) {
    match mode {
        0 => text.push("000"),
        _ => text.put(format_args!("0{mode:03o}")),
    }
}

/// A file's type and permissions.
pub fn mode(text: &mut Text, mode: u32) {
    names::value(text, names::FORMAT, u64::from(mode & 0o170000));
    text.push("|");
    permissions(text, mode & 0o7777);
}

/// `struct stat`: what is asked for most.
pub fn stat(text: &mut Text, addr: u64) {
    with(text, addr, |text, words: [u64; 16]| {
        let format = words[2] as u32;
        text.push("{st_mode=");
        mode(text, format);
        let device = words[4];
        match format & 0o170000 {
            0o020000 | 0o060000 => {
                let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
                text.put(format_args!(", st_rdev=makedev({major:#x}, {minor:#x})"));
            }
            _ => text.put(format_args!(", st_size={}", words[6])),
        }
        text.push(", ...}");
    });
}

/// A time: seconds, and parts of one by their field's name.
pub fn time(text: &mut Text, addr: u64, parts: &str) {
    with(text, addr, |text, [seconds, rest]: [i64; 2]| {
        text.put(format_args!("{{tv_sec={seconds}, {parts}={rest}}}"));
    });
}

/// An interval and a time.
pub fn interval(text: &mut Text, addr: u64, parts: &str) {
    with(text, addr, |text, _: [i64; 4]| {
        text.push("{it_interval=");
        time(text, addr, parts);
        text.push(", it_value=");
        time(text, addr + 16, parts);
        text.push("}");
    });
}

/// A set of signals, or, where most are in it, those that are not.
pub fn set(text: &mut Text, addr: u64) {
    with(text, addr, signals);
}

/// See [`set`].
pub fn signals(text: &mut Text, set: SigSet) {
    let most = set.count_ones() > 32;
    let shown = if most { !set } else { set };
    text.push(if most { "~[" } else { "[" });
    let mut first = true;
    for signal in (1..=64u32).filter(|signal| shown >> (signal - 1) & 1 == 1) {
        let space = if first { "" } else { " " };
        match SIGNALS.get(signal as usize) {
            Some(name) => text.put(format_args!("{space}{name}")),
            None => text.put(format_args!("{space}RT_{}", signal - 32)),
        }
        first = false;
    }
    text.push("]");
}

/// `struct sigaction`.
pub fn action(text: &mut Text, addr: u64) {
    with(text, addr, |text, action: Action| {
        text.push("{sa_handler=");
        match action.handler {
            DEFAULT => text.push("SIG_DFL"),
            IGNORE => text.push("SIG_IGN"),
            handler => text.put(format_args!("{handler:#x}")),
        }
        text.push(", sa_mask=");
        signals(text, action.mask);
        text.push(", sa_flags=");
        names::bits(text, names::ACTION, action.flags);
        if action.flags & SA_RESTORER != 0 {
            text.put(format_args!(", sa_restorer={:#x}", action.restorer));
        }
        text.push("}");
    });
}

/// `struct sigaltstack`.
pub fn stack(text: &mut Text, addr: u64) {
    with(text, addr, |text, stack: SignalStack| {
        text.push("{ss_sp=");
        text.address(stack.sp);
        text.push(", ss_flags=");
        names::bits(text, names::STACK, u64::from(stack.flags));
        text.put(format_args!(", ss_size={}}}", stack.size));
    });
}

/// A child's status word.
pub fn status(text: &mut Text, addr: u64) {
    with(text, addr, |text, word: u32| match word & 0x7f {
        _ if word == 0xffff => text.push("[{WIFCONTINUED(s)}]"),
        0 => text.put(format_args!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}]", word >> 8 & 0xff)),
        by => {
            let (test, which, by) =
                if by == 0x7f { ("STOPPED", "STOP", word >> 8 & 0xff) } else { ("SIGNALED", "TERM", by) };
            text.put(format_args!("[{{WIF{test}(s) && W{which}SIG(s) == "));
            names::signal(text, by);
            text.push("}]");
        }
    });
}

/// `struct rlimit`.
pub fn limit(text: &mut Text, addr: u64) {
    with(text, addr, |text, limits: [u64; 2]| {
        for (field, limit) in ["{rlim_cur=", ", rlim_max="].iter().zip(limits) {
            text.push(field);
            match limit {
                u64::MAX => text.push("RLIM64_INFINITY"),
                // Multiples of 1024 as such.
                1025.. if limit.is_multiple_of(1024) => text.put(format_args!("{}*1024", limit / 1024)),
                _ => text.put(format_args!("{limit}")),
            }
        }
        text.push("}");
    });
}

/// `struct pollfd`; whether it could be read.
pub fn polled(text: &mut Text, addr: u64) -> bool {
    let Ok([fd, events]) = user::read::<[u32; 2]>(addr) else { return false };
    text.put(format_args!("{{fd={}, events=", fd as i32));
    names::bits(text, names::POLL, u64::from(events & 0xffff));
    if events >> 16 != 0 {
        text.push(", revents=");
        names::bits(text, names::POLL, u64::from(events >> 16));
    }
    text.push("}");
    true
}

/// `struct epoll_event`; whether it could be read.
pub fn event(text: &mut Text, addr: u64) -> bool {
    let Ok([events, data]) = user::read::<[u64; 2]>(addr) else { return false };
    text.push("{events=");
    names::bits(text, names::EPOLL, u64::from(events as u32));
    text.put(format_args!(", data={data:#x}}}"));
    true
}

/// `struct clone_args` of `size` bytes.
pub fn clone(text: &mut Text, addr: u64, size: u64) {
    if size < 64 {
        return text.address(addr);
    }
    with(text, addr, |text, [flags, _, child, parent, signal, stack, length, tls]: [u64; 8]| {
        text.push("{flags=");
        clone_flags(text, flags);
        for (field, value) in [("child_tid", child), ("parent_tid", parent)] {
            if value != 0 {
                text.put(format_args!(", {field}={value:#x}"));
            }
        }
        text.push(", exit_signal=");
        names::signal(text, signal as u32);
        text.push(", stack=");
        text.address(stack);
        text.put(format_args!(", stack_size={length:#x}"));
        if tls != 0 {
            text.put(format_args!(", tls={tls:#x}"));
        }
        text.push("}");
    });
}
