//! `/proc/PID`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::fd::{FdDir, Shows};
use super::{DEV, Process, number, process, status};
use crate::mm::fallible::{self, Escaped};
use crate::vfs::dentry::Dentry;
use crate::vfs::dynamic::{DynDir, DynEntry};
use crate::vfs::inode::{Content, Inode, MagicLink, S_IFDIR, S_IFLNK, S_IFREG};
use crate::vfs::{mounts, pseudo};

/// The directory of a process, or of one of its threads.
pub struct PidDir {
    /// Its number.
    pub pid: i32,
    /// Whether it is that of a thread: threads have no threads.
    pub thread: bool,
}

type Show = fn(&dyn Process, i32) -> Result<String>;
type Store = fn(&dyn Process, &str) -> Result<()>;
type Target = fn(&dyn Process) -> Option<Arc<Dentry>>;

enum Entry {
    Text(Show),
    Setting(Show, Store),
    Link(Target),
    Fds(Shows),
    Threads,
}

static ENTRIES: [(&str, Entry); 19] = [
    ("fd", Entry::Fds(Shows::Files)),
    ("fdinfo", Entry::Fds(Shows::Info)),
    ("exe", Entry::Link(|process| process.exe())),
    ("cwd", Entry::Link(|process| process.cwd())),
    ("root", Entry::Link(|process| process.root())),
    ("comm", Entry::Text(|process, _| Ok(format!("{}\n", process.comm())))),
    ("cmdline", Entry::Text(|process, _| text(&process.cmdline()?))),
    ("environ", Entry::Text(|process, _| text(&process.environ()?))),
    ("limits", Entry::Text(|process, _| Ok(status::limits(&process.limits())))),
    ("maps", Entry::Text(|process, _| process.maps())),
    ("mountinfo", Entry::Text(|_, _| mounts::mountinfo())),
    ("mounts", Entry::Text(|_, _| mounts::proc_mounts())),
    ("oom_score", Entry::Text(|process, _| Ok(format!("{}\n", process.oom_score())))),
    (
        "oom_score_adj",
        Entry::Setting(
            |process, _| Ok(format!("{}\n", process.oom_score_adj())),
            |process, text| process.set_oom_score_adj(integer(text)?),
        ),
    ),
    ("personality", Entry::Text(|_, _| Ok("00000000\n".into()))),
    ("stat", Entry::Text(|process, pid| Ok(status::stat(process, pid)))),
    ("statm", Entry::Text(|process, _| Ok(status::statm(process)))),
    ("status", Entry::Text(|process, pid| status::status(process, pid))),
    ("task", Entry::Threads),
];

impl PidDir {
    fn entries(&self) -> &'static [(&'static str, Entry)] {
        if self.thread { &ENTRIES[..ENTRIES.len() - 1] } else { &ENTRIES }
    }
}

impl DynDir for PidDir {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let pid = self.pid;
        process(pid)?;
        let (_, entry) = self.entries().iter().find(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        Ok(match *entry {
            Entry::Text(show) => {
                let show = move || show(&*process(pid).map_err(|_| Errno::ESRCH)?, pid);
                let mode = if name == b"environ" { 0o400 } else { 0o444 };
                pseudo::text_inode(DEV, mode, pseudo::read_only(show))
            }
            Entry::Setting(show, store) => {
                let show = move || show(&*process(pid).map_err(|_| Errno::ESRCH)?, pid);
                let store = move |text: &str| store(&*process(pid).map_err(|_| Errno::ESRCH)?, text);
                pseudo::text_inode(DEV, 0o644, pseudo::read_write(show, store))
            }
            Entry::Link(target) => {
                let link = Content::Magic(Box::new(Link { pid, target }));
                Arc::new(Inode::new(DEV, S_IFLNK | 0o777, link))
            }
            Entry::Fds(shows) => pseudo::dynamic_inode(DEV, 0o500, Box::new(FdDir { pid, shows })),
            Entry::Threads => pseudo::dynamic_inode(DEV, 0o555, Box::new(Threads(pid))),
        })
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        process(self.pid).ok()?;
        let cookie = from.max(2);
        let (name, entry) = self.entries().get(cookie as usize - 2)?;
        let kind = match entry {
            Entry::Text(_) | Entry::Setting(..) => S_IFREG,
            Entry::Link(_) => S_IFLNK,
            Entry::Fds(_) | Entry::Threads => S_IFDIR,
        };
        Some(DynEntry { cookie, name: name.as_bytes().to_vec(), kind })
    }
}

struct Link {
    pid: i32,
    target: Target,
}

impl MagicLink for Link {
    fn text(&self) -> Result<Vec<u8>> {
        self.target()?.path()
    }

    fn target(&self) -> Result<Arc<Dentry>> {
        (self.target)(&*process(self.pid)?).ok_or(Errno::ENOENT)
    }
}

/// `/proc/PID/task`: a directory for each thread, as for a process.
struct Threads(i32);

impl DynDir for Threads {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let tid = number(name)?;
        match process(self.0)?.next_thread(tid) {
            Some(found) if found == tid => {
                Ok(pseudo::dynamic_inode(DEV, 0o555, Box::new(PidDir { pid: tid, thread: true })))
            }
            _ => Err(Errno::ENOENT),
        }
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let from = i32::try_from(from.max(2) - 2).ok()?;
        let tid = process(self.0).ok()?.next_thread(from)?;
        Some(DynEntry { cookie: tid as u64 + 2, name: format!("{tid}").into_bytes(), kind: S_IFDIR })
    }
}

/// A number as it is written: with a sign, in the base that its beginning says, blanks around it. `EINVAL`, `ERANGE`.
fn integer(text: &str) -> Result<i32> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(Errno::EINVAL);
    }
    let value = i64::from_str_radix(digits, base).map_err(|_| Errno::ERANGE)?;
    i32::try_from(if negative { -value } else { value }).map_err(|_| Errno::ERANGE)
}

/// Bytes as text; what is none is replaced. `ENOMEM`.
fn text(bytes: &[u8]) -> Result<String> {
    fallible::text(|out| write!(out, "{}", Escaped { bytes, special: &[] }))
}
