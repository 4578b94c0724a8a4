//! `/proc/PID`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::fd::{FdDir, Shows};
use super::{DEV, Figures, Process, process};
use crate::vfs::dentry::Dentry;
use crate::vfs::dynamic::{DynDir, DynEntry};
use crate::vfs::inode::{Content, Inode, MagicLink, S_IFDIR, S_IFLNK, S_IFREG};
use crate::vfs::{mounts, pseudo};

/// The directory of a process.
pub struct PidDir(pub i32);

type Show = fn(&dyn Process, i32) -> Result<String>;
type Target = fn(&dyn Process) -> Option<Arc<Dentry>>;

enum Entry {
    Text(Show),
    Link(Target),
    Fds(Shows),
}

const ENTRIES: [(&str, Entry); 11] = [
    ("fd", Entry::Fds(Shows::Files)),
    ("fdinfo", Entry::Fds(Shows::Info)),
    ("exe", Entry::Link(|process| process.exe())),
    ("cwd", Entry::Link(|process| process.cwd())),
    ("comm", Entry::Text(|process, _| Ok(format!("{}\n", process.comm())))),
    ("cmdline", Entry::Text(cmdline)),
    ("maps", Entry::Text(|process, _| process.maps())),
    ("mountinfo", Entry::Text(|_, _| Ok(mounts::mountinfo()))),
    ("mounts", Entry::Text(|_, _| Ok(mounts::proc_mounts()))),
    ("stat", Entry::Text(stat)),
    ("status", Entry::Text(status)),
];

impl DynDir for PidDir {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let pid = self.0;
        process(pid)?;
        let (_, entry) = ENTRIES.iter().find(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        Ok(match *entry {
            Entry::Text(show) => {
                let show = move || show(&*process(pid).map_err(|_| Errno::ESRCH)?, pid);
                pseudo::text_inode(DEV, 0o444, pseudo::read_only(show))
            }
            Entry::Link(target) => {
                let link = Content::Magic(Box::new(Link { pid, target }));
                Arc::new(Inode::new(DEV, S_IFLNK | 0o777, link))
            }
            Entry::Fds(shows) => pseudo::dynamic_inode(DEV, 0o500, Box::new(FdDir { pid, shows })),
        })
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        process(self.0).ok()?;
        let cookie = from.max(2);
        let (name, entry) = ENTRIES.get(cookie as usize - 2)?;
        let kind = match entry {
            Entry::Text(_) => S_IFREG,
            Entry::Link(_) => S_IFLNK,
            Entry::Fds(_) => S_IFDIR,
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
        Ok(self.target()?.path())
    }

    fn target(&self) -> Result<Arc<Dentry>> {
        (self.target)(&*process(self.pid)?).ok_or(Errno::ENOENT)
    }
}

/// The 52 fields of `/proc/PID/stat`; those that are not kept are 0.
fn cmdline(process: &dyn Process, _: i32) -> Result<String> {
    let bytes = process.cmdline();
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.try_reserve(chunk.valid().len() + 3).map_err(|_| Errno::ENOMEM)?;
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Ok(text)
}

fn stat(process: &dyn Process, pid: i32) -> Result<String> {
    let Figures { state, ppid, pgrp, session, threads, vm_bytes, rss_bytes } = process.figures();
    let (comm, rss) = (process.comm(), rss_bytes / heaps::PAGE_SIZE);
    let head = format!("{pid} ({comm}) {state} {ppid} {pgrp} {session} 0 -1 0 0 0 0 0 0 0 0 0 20 0");
    Ok(format!("{head} {threads} 0 0 {vm_bytes} {rss}{}\n", " 0".repeat(28)))
}

fn status(process: &dyn Process, pid: i32) -> Result<String> {
    let Figures { state, ppid, threads, vm_bytes, rss_bytes, .. } = process.figures();
    let word = match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "disk sleep",
        'T' => "stopped",
        'Z' => "zombie",
        _ => "unknown",
    };
    let (comm, vm, rss) = (process.comm(), vm_bytes / 1024, rss_bytes / 1024);
    let fds = process.files().map_or(0, |files| files.limit());
    Ok(format!(
        "Name:\t{comm}\nState:\t{state} ({word})\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{ppid}\n\
         Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t{fds}\nVmSize:\t{vm:8} kB\nVmRSS:\t{rss:8} kB\n\
         Threads:\t{threads}\n"
    ))
}
