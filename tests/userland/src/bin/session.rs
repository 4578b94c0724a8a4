//! `session ROWSxCOLUMNS TERM PROG ARG...` runs PROG as the leader of a session that has the console for its terminal
//! (`setsid`, `TIOCSCTTY`): with a window of that size, with TERM in its environment, and with output as terminals
//! want it.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::ioctl::Command;
use userland::complain;
use userland::rt::file::{self, Fd};
use userland::rt::{Args, abi, process};

userland::program!(run);

/// What a shell says for a program that cannot be run.
const CANNOT_RUN: i32 = 126;

const TCGETS: Command = Command::from_raw(0x5401);
const TCSETS: Command = Command::from_raw(0x5402);
const TIOCSCTTY: Command = Command::from_raw(0x540e);
const TIOCSWINSZ: Command = Command::from_raw(0x5414);
/// In `c_iflag`: keys stop and start output, characters are UTF-8.
const IXON_IUTF8: u32 = 0o2000 | 0o40000;
/// In `c_oflag`: output is processed, and a newline returns the carriage.
const OPOST_ONLCR: u32 = 1 | 4;
/// In `c_lflag`: all editing keys.
const IEXTEN: u32 = 0o100000;

fn run(args: Args) -> i32 {
    let argv: Vec<&str> = args.rest().skip(2).collect();
    let (Some(window), Some(term), Some(program)) =
        (args.get(1).and_then(window), args.get(2), argv.first().copied())
    else {
        complain!("usage: session ROWSxCOLUMNS TERM PROG ARG...");
        return CANNOT_RUN;
    };
    if let Err(why) = take_terminal(window) {
        complain!("session: /dev/console: {why}");
        return CANNOT_RUN;
    }
    let term = format!("TERM={term}");
    let why = process::execute_with(program, &argv, &["PATH=/bin:/sbin", "HOME=/root", &term]);
    complain!("session: {program}: {why}");
    CANNOT_RUN
}

/// Rows, columns, and a size in pixels that nobody knows.
fn window(text: &str) -> Option<[u16; 4]> {
    let (rows, columns) = text.split_once('x')?;
    Some([rows.parse().ok()?, columns.parse().ok()?, 0, 0])
}

/// Starts a session, and makes the console its terminal and its standard files.
fn take_terminal(mut window: [u16; 4]) -> Result<(), Errno> {
    process::set_sid()?;
    let console = Fd::open("/dev/console", abi::O_RDWR | abi::O_CLOEXEC)?;
    file::ioctl(console.raw(), TIOCSCTTY, &mut 0u64)?;
    // c_iflag, c_oflag, c_cflag, c_lflag, then bytes.
    let mut termios = [0u32; 9];
    file::ioctl(console.raw(), TCGETS, &mut termios)?;
    termios[0] |= IXON_IUTF8;
    termios[1] |= OPOST_ONLCR;
    termios[3] |= IEXTEN;
    file::ioctl(console.raw(), TCSETS, &mut termios)?;
    file::ioctl(console.raw(), TIOCSWINSZ, &mut window)?;
    for standard in 0..3 {
        file::dup3(console.raw(), standard, 0)?;
    }
    Ok(())
}
