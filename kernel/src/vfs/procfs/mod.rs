//! The filesystem of `/proc`: the processes, and what the kernel tells about itself. Models `fs/proc`.
//!
//! What a process is, only the process layer knows; it [tells](set_processes) by way of two traits.
#![forbid(unsafe_code)]

mod fd;
mod kmsg;
#[cfg(target_os = "none")]
pub mod machine;
mod pid;
mod status;
mod sysctl;
#[cfg(test)]
pub(crate) mod tests;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, Result};
use spin::Once;

use super::dentry::Dentry;
use super::dynamic::{DynDir, DynEntry, TextFile};
use super::fdtable::FdTable;
use super::inode::{Content, Inode, S_IFDIR, S_IFLNK, S_IFREG};
use super::{mounts, namespace, pseudo};
use crate::modules;
use crate::sync::{SpinLock, order};

const DEV: u32 = 4;

/// The processes, as the process layer tells about them. No function is called with a lock held.
pub trait Processes: Sync {
    /// The calling process' number.
    fn current(&self) -> i32;

    /// The calling thread's number.
    fn current_thread(&self) -> i32;

    /// A process.
    fn find(&self, pid: i32) -> Option<Arc<dyn Process>>;

    /// The lowest number of a process from `pid` on.
    fn next(&self, pid: i32) -> Option<i32>;
}

/// One process. It may be gone by the time it is asked; then it says nothing.
pub trait Process: Send + Sync {
    /// Its descriptors.
    fn files(&self) -> Option<Arc<FdTable>>;

    /// What it executes.
    fn exe(&self) -> Option<Arc<Dentry>>;

    /// Its current directory.
    fn cwd(&self) -> Option<Arc<Dentry>>;

    /// Its root directory.
    fn root(&self) -> Option<Arc<Dentry>>;

    /// Its name, at most 15 bytes.
    fn comm(&self) -> String;

    /// Its arguments, each with a NUL at its end. `ENOMEM`. May sleep.
    fn cmdline(&self) -> Result<Vec<u8>>;

    /// Its environment, each variable with a NUL at its end. `ENOMEM`. May sleep.
    fn environ(&self) -> Result<Vec<u8>>;

    /// Its soft and hard resource limits, by number.
    fn limits(&self) -> [(u64, u64); 16];

    /// The lowest number of a thread of it from `tid` on.
    fn next_thread(&self, tid: i32) -> Option<i32>;

    /// Its mappings, one on a line, as in `/proc/PID/maps`. `ENOMEM`. May sleep.
    fn maps(&self) -> Result<String>;

    /// How likely it is to be killed where memory runs out. May sleep.
    fn oom_score(&self) -> i64;

    /// How much rather than others, as it says itself.
    fn oom_score_adj(&self) -> i32;

    /// Sets that. `EINVAL`, `EACCES`, `ESRCH`.
    fn set_oom_score_adj(&self, adj: i32) -> Result<()>;

    /// Bytes in dma-bufs that it can reach, by descriptors or mappings, each counted once. `ENOMEM`. May sleep.
    fn buffer_bytes(&self) -> Result<usize>;

    /// Figures about it.
    fn figures(&self) -> Figures;
}

/// What `stat` and `status` say about a process.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// `R`, `S`, `D`, `T` or `Z`.
    pub state: char,
    /// The permissions that its new files do not get.
    pub umask: u32,
    /// The number of its process; its own is that of a thread.
    pub tgid: i32,
    /// Its parent.
    pub ppid: i32,
    /// Its process group.
    pub pgrp: i32,
    /// Its session.
    pub session: i32,
    /// Its controlling terminal's device number, 0 for none, and the group in the foreground there.
    pub terminal: (u32, i32),
    /// How nice it is, from -20 to 19.
    pub nice: i32,
    /// How many threads it has.
    pub threads: usize,
    /// The time it, and the children it waited for, took of CPUs in user space and in the kernel, in nanoseconds.
    pub cpu_time: ((u64, u64), (u64, u64)),
    /// When it was started, in nanoseconds since boot.
    pub started: u64,
    /// The CPU it ran on last.
    pub processor: usize,
    /// The signal its parent gets at its end.
    pub exit_signal: u32,
    /// Its users and groups: real, effective, saved, for files; and its capabilities: inheritable, permitted, effective.
    pub ids: [[u32; 4]; 2],
    /// See `ids`.
    pub caps: [u64; 3],
    /// Pending signals, its own and the process'; blocked, ignored and caught ones.
    pub signals: SignalSets,
    /// Where its arguments and its environment are.
    pub strings: [Range<u64>; 2],
    /// Bytes mapped.
    pub vm_bytes: usize,
    /// Bytes in page frames.
    pub rss_bytes: usize,
}

/// Sets of signals, bit n-1 for signal n.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalSets {
    /// Sent to the thread.
    pub pending: u64,
    /// Sent to the process.
    pub shared: u64,
    /// Held back.
    pub blocked: u64,
    /// Dropped.
    pub ignored: u64,
    /// Handled.
    pub caught: u64,
}

static PROCESSES: Once<&'static dyn Processes> = Once::new();
static FILES: SpinLock<Vec<(&'static str, Arc<Inode>)>, { order::DENTRY }> = SpinLock::new(Vec::new());

/// Says who knows the processes. Called once, at boot.
pub fn set_processes(processes: &'static dyn Processes) {
    PROCESSES.call_once(|| processes);
}

fn process(pid: i32) -> Result<Arc<dyn Process>> {
    PROCESSES.get().and_then(|all| all.find(pid)).ok_or(Errno::ENOENT)
}

/// Adds the file `/proc/NAME`; see [`pseudo`] for what to make it of.
pub fn create_file(name: &'static str, permissions: u32, file: Box<dyn TextFile>) {
    let inode = pseudo::text_inode(DEV, permissions, file);
    FILES.lock().push((name, inode));
}

/// The root of the filesystem, made at the first call.
pub fn root() -> &'static Arc<Dentry> {
    static ROOT: Once<Arc<Dentry>> = Once::new();
    ROOT.call_once(|| {
        create_file("modules", 0o444, pseudo::read_only(show_modules));
        create_file("mounts", 0o444, pseudo::read_only(mounts::proc_mounts));
        create_file("filesystems", 0o444, pseudo::read_only(|| Ok(filesystems())));
        #[cfg(target_os = "none")]
        machine::create_files();
        let kmsg = Inode::new(DEV, S_IFREG | 0o400, Content::Special(kmsg::open));
        FILES.lock().push(("kmsg", Arc::new(kmsg)));
        Dentry::root(pseudo::dynamic_inode(DEV, 0o555, Box::new(Root)))
    })
}

/// A line for each module, the youngest first.
fn show_modules() -> Result<String> {
    let mut text = String::new();
    for module in modules::all()? {
        let users: String = modules::users(&module)?.map(|user| format!("{},", user.module.name())).collect();
        text += &module.line(&users);
    }
    Ok(text)
}

fn filesystems() -> String {
    mounts::Kind::ALL.map(|kind| format!("nodev\t{}\n", kind.name())).concat()
}

/// `/proc`. Cookies: first the files, then what is always there, then the processes by number.
struct Root;

const FIRST_FIXED: u64 = 1 << 10;
const FIXED: [(&str, u32); 3] = [("self", S_IFLNK), ("sys", S_IFDIR), ("thread-self", S_IFLNK)];
const FIRST_PID: u64 = FIRST_FIXED + FIXED.len() as u64;

impl DynDir for Root {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let processes = || PROCESSES.get().ok_or(Errno::ENOENT);
        let link = |text: String| Ok(namespace::link_inode(DEV, text.into_bytes()));
        match name {
            b"self" => return link(format!("{}", processes()?.current())),
            b"thread-self" => {
                let all = processes()?;
                return link(format!("{}/task/{}", all.current(), all.current_thread()));
            }
            b"sys" => return Ok(pseudo::dynamic_inode(DEV, 0o555, Box::new(sysctl::Sysctl::root()))),
            _ => {}
        }
        let file = FILES.lock().iter().find(|(n, _)| n.as_bytes() == name).map(|(_, inode)| inode.clone());
        if let Some(file) = file {
            return Ok(file);
        }
        let pid = number(name)?;
        process(pid)?;
        Ok(pseudo::dynamic_inode(DEV, 0o555, Box::new(pid::PidDir { pid, thread: false })))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let entry = |cookie, name: &str, kind| Some(DynEntry { cookie, name: name.into(), kind });
        let from = from.max(2);
        if let Some((name, _)) = FILES.lock().get(from as usize - 2) {
            return entry(from, name, S_IFREG);
        }
        let fixed = from.max(FIRST_FIXED);
        if let Some(&(name, kind)) = FIXED.get((fixed - FIRST_FIXED) as usize) {
            return entry(fixed, name, kind);
        }
        let pid = PROCESSES.get()?.next(i32::try_from(from - FIRST_PID).ok()?)?;
        entry(FIRST_PID + pid as u64, &format!("{pid}"), S_IFDIR)
    }
}

/// A number written without sign, leading zeros or anything else. `ENOENT`.
fn number(name: &[u8]) -> Result<i32> {
    let digits = name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name.first() != Some(&b'0'));
    let text = core::str::from_utf8(name).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Errno::ENOENT)
}
