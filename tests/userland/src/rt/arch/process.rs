//! Processes: fork, execve, wait, exit, signals, the scheduler.

use super::{call, plain_call, with_path};
use crate::rt::abi::{self, nr};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::fmt;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By exit, with this status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

impl Status {
    /// Reads wait4's word.
    pub fn from_word(word: u32) -> Status {
        match word & 0x7f {
            0 => Status::Exited((word >> 8) as u8),
            signal => Status::Killed(signal as u8),
        }
    }

    /// What a shell would make of it: the status, or 128 + the signal.
    pub fn code(self) -> i32 {
        match self {
            Status::Exited(status) => status.into(),
            Status::Killed(signal) => 128 + i32::from(signal),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(status) => write!(f, "exit {status}"),
            Status::Killed(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Forks: `None` in the child, the child's id in the parent. Only for programs with one thread: the
/// child has no other, and would find locks held by them held for ever.
pub fn fork() -> Result<Option<i32>> {
    match plain_call!(nr::CLONE, abi::SIGCHLD)? {
        0 => Ok(None),
        pid => Ok(Some(pid as i32)),
    }
}

/// Runs `f` in a child and gives its id; the child exits with what `f` returns.
pub fn spawn(f: impl FnOnce() -> i32) -> Result<i32> {
    match fork()? {
        Some(pid) => Ok(pid),
        None => exit_group(f()),
    }
}

/// Runs `f` in a child and waits for its end.
pub fn in_child(f: impl FnOnce() -> i32) -> Result<Status> {
    wait(spawn(f)?).map(|(_, status)| status)
}

/// Waits for a child (-1: any): who, and how it ended.
pub fn wait(pid: i32) -> Result<(i32, Status)> {
    let mut word = 0u32;
    // SAFETY: the kernel writes one word.
    let who = unsafe { call(nr::WAIT4, [pid as usize, &raw mut word as usize, 0, 0, 0, 0]) }?;
    Ok((who as i32, Status::from_word(word)))
}

/// Whether the child has ended, without waiting.
pub fn poll(pid: i32) -> Result<Option<Status>> {
    let mut word = 0u32;
    // SAFETY: the kernel writes one word.
    let who = unsafe { call(nr::WAIT4, [pid as usize, &raw mut word as usize, abi::WNOHANG, 0, 0, 0]) }?;
    Ok((who != 0).then(|| Status::from_word(word)))
}

/// Replaces the program; returns only to say why not.
pub fn execute(path: &str, argv: &[&str]) -> Errno {
    execute_with(path, argv, &[])
}

/// Replaces the program, with this environment; returns only to say why not.
pub fn execute_with(path: &str, argv: &[&str], env: &[&str]) -> Errno {
    let (Some(argv), Some(env)) = (strings(argv), strings(env)) else { return Errno::EINVAL };
    let (arguments, environment) = (pointers(&argv), pointers(&env));
    let done = with_path(path, |p| {
        // SAFETY: the kernel reads the path, the two vectors and the strings they point to.
        unsafe { call(nr::EXECVE, [p, arguments.as_ptr() as usize, environment.as_ptr() as usize, 0, 0, 0]) }
    });
    done.err().unwrap_or(Errno::ENOEXEC)
}

fn strings(texts: &[&str]) -> Option<Vec<CString>> {
    texts.iter().map(|text| CString::new(*text).ok()).collect()
}

/// A vector of pointers to them, as execve takes it.
fn pointers(strings: &[CString]) -> Vec<usize> {
    strings.iter().map(|s| s.as_ptr() as usize).chain([0]).collect()
}

/// setsid.
pub fn set_sid() -> Result<()> {
    plain_call!(nr::SETSID).map(drop)
}

/// Ends the process.
pub fn exit_group(status: i32) -> ! {
    let _ = plain_call!(nr::EXIT_GROUP, status);
    unreachable!("exit_group came back")
}

/// kill.
pub fn kill(pid: i32, signal: u8) -> Result<()> {
    plain_call!(nr::KILL, pid, signal).map(drop)
}

/// tgkill.
pub fn kill_thread(pid: i32, tid: i32, signal: u8) -> Result<()> {
    plain_call!(nr::TGKILL, pid, tid, signal).map(drop)
}

/// getpid.
pub fn id() -> i32 {
    plain_call!(nr::GETPID).unwrap_or(0) as i32
}

/// getppid.
pub fn parent_id() -> i32 {
    plain_call!(nr::GETPPID).unwrap_or(0) as i32
}

/// gettid.
pub fn thread_id() -> i32 {
    plain_call!(nr::GETTID).unwrap_or(0) as i32
}

/// sched_yield.
pub fn give_way() {
    let _ = plain_call!(nr::SCHED_YIELD);
}

/// The CPUs the caller may run on, bit 0 being CPU 0.
pub fn affinity() -> Result<u64> {
    let mut mask = [0u64; 16];
    let size = size_of_val(&mask);
    // SAFETY: the kernel writes into the mask alone.
    unsafe { call(nr::SCHED_GETAFFINITY, [0, size, &raw mut mask as usize, 0, 0, 0]) }?;
    Ok(mask[0])
}

/// Binds the caller to the CPUs of `mask`.
pub fn set_affinity(mask: u64) -> Result<()> {
    // SAFETY: the kernel reads one word.
    unsafe { call(nr::SCHED_SETAFFINITY, [0, 8, &raw const mask as usize, 0, 0, 0]) }.map(drop)
}

/// Makes the process `user`'s: real, effective and saved.
pub fn set_users(user: u32) -> Result<()> {
    plain_call!(nr::SETRESUID, user, user, user).map(drop)
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn wait_words_are_read() {
        assert_eq!(Status::from_word(0x0700), Status::Exited(7));
        assert_eq!(Status::from_word(0x008b), Status::Killed(11));
        assert_eq!(Status::from_word(11).code(), 139);
    }
}
