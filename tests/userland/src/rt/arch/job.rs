//! What a shell needs of the kernel: process groups, the terminal's foreground, stopped children, pipes, directories.

use super::{call, plain_call, with_path};
use crate::rt::abi::{self, nr};
use crate::rt::file::{self, Fd};
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::Command;

const TIOCGPGRP: Command = Command::from_raw(0x540f);
const TIOCSPGRP: Command = Command::from_raw(0x5410);
const WUNTRACED: usize = 2;
const WCONTINUED: usize = 8;

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended, with what a shell makes of that: the status, or 128 + the signal.
    Ended(i32),
    /// A signal stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

impl Change {
    /// Reads wait4's word.
    pub fn from_word(word: u32) -> Change {
        match word {
            0xffff => Change::Continued,
            word if word & 0xff == 0x7f => Change::Stopped((word >> 8) as u8),
            word => Change::Ended(super::process::Status::from_word(word).code()),
        }
    }
}

/// Waits for any child (or only looks) to end, stop or go on.
pub fn next_change(waits: bool) -> Result<Option<(i32, Change)>> {
    let mut word = 0u32;
    let options = WUNTRACED | WCONTINUED | if waits { 0 } else { abi::WNOHANG };
    // SAFETY: the kernel writes one word.
    let pid = unsafe { call(nr::WAIT4, [-1isize as usize, &raw mut word as usize, options, 0, 0, 0]) }?;
    Ok((pid != 0).then(|| (pid as i32, Change::from_word(word))))
}

/// setpgid.
pub fn set_group(pid: i32, group: i32) -> Result<()> {
    plain_call!(nr::SETPGID, pid, group).map(drop)
}

/// getpgid of the caller.
pub fn own_group() -> i32 {
    plain_call!(nr::GETPGID, 0).unwrap_or(0) as i32
}

/// The group in the foreground of the terminal `fd`.
pub fn foreground(fd: i32) -> Result<i32> {
    let mut group = 0u32;
    file::ioctl(fd, TIOCGPGRP, &mut group)?;
    Ok(group as i32)
}

/// Puts a group into the foreground of the terminal `fd`.
pub fn set_foreground(fd: i32, group: i32) -> Result<()> {
    file::ioctl(fd, TIOCSPGRP, &mut (group as u32)).map(drop)
}

/// rt_sigaction: ignores a signal, or does what is usual about it.
pub fn ignore(signal: u8, ignores: bool) -> Result<()> {
    // Handler, flags, restorer, mask.
    let action = [usize::from(ignores), 0, 0, 0];
    // SAFETY: the kernel reads the action; neither of the two handlers is code of ours.
    unsafe { call(nr::RT_SIGACTION, [signal.into(), action.as_ptr() as usize, 0, 8, 0, 0]) }.map(drop)
}

/// pipe2 with O_CLOEXEC: the end to read from, and the one to write to.
pub fn pipe() -> Result<(Fd, Fd)> {
    let mut fds = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { call(nr::PIPE2, [fds.as_mut_ptr() as usize, abi::O_CLOEXEC as usize, 0, 0, 0, 0]) }?;
    Ok((Fd::from_raw(fds[0]), Fd::from_raw(fds[1])))
}

/// chdir.
pub fn change_directory(path: &str) -> Result<()> {
    // SAFETY: the kernel reads the C string at `p`.
    with_path(path, |p| unsafe { call(nr::CHDIR, [p, 0, 0, 0, 0, 0]) }).map(drop)
}

/// getcwd.
pub fn directory() -> Result<String> {
    let mut bytes = alloc::vec![0u8; 4096];
    // SAFETY: the kernel writes into the buffer alone.
    let len = unsafe { call(nr::GETCWD, [bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0, 0]) }?;
    bytes.truncate(len.saturating_sub(1));
    String::from_utf8(bytes).map_err(|_| Errno::EINVAL)
}

/// syslog's whole log, as text.
pub fn kernel_log() -> Result<Vec<u8>> {
    const READ_ALL: usize = 3;
    const SIZE: usize = 10;
    let size = plain_call!(nr::SYSLOG, SIZE, 0, 0)?;
    let mut bytes = alloc::vec![0u8; size];
    // SAFETY: the kernel writes into the buffer alone.
    let len = unsafe { call(nr::SYSLOG, [READ_ALL, bytes.as_mut_ptr() as usize, size, 0, 0, 0]) }?;
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn wait_words_are_read() {
        assert_eq!(Change::from_word(0x0300), Change::Ended(3));
        assert_eq!(Change::from_word(2), Change::Ended(130));
        assert_eq!(Change::from_word(0x147f), Change::Stopped(20));
        assert_eq!(Change::from_word(0xffff), Change::Continued);
    }
}
