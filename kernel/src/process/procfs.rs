//! What `/proc` says about processes.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::Result;

use super::{current, tree};
use crate::vfs::procfs::{self, Figures, Processes};
use crate::vfs::{Dentry, FdTable};

struct All;

/// One process, by number: it may be gone when it is asked.
struct One(u32);

/// Tells `/proc` who knows the processes. At boot.
pub fn init() {
    procfs::set_processes(&All);
}

impl Processes for All {
    fn current(&self) -> i32 {
        current().map_or(0, |thread| thread.process().pid() as i32)
    }

    fn find(&self, pid: i32) -> Option<Arc<dyn procfs::Process>> {
        let pid = u32::try_from(pid).ok()?;
        tree::lock().node(pid)?;
        Some(Arc::new(One(pid)))
    }

    fn next(&self, pid: i32) -> Option<i32> {
        let from = u32::try_from(pid).unwrap_or(0);
        tree::lock().nodes().map(|(&pid, _)| pid).find(|&pid| pid >= from).map(|pid| pid as i32)
    }
}

fn state(node: &tree::Node) -> char {
    let is_caller = || current().is_some_and(|thread| thread.process().pid() == node.process.pid());
    match () {
        () if node.status.is_some() => 'Z',
        () if node.process.stop.is_on() => 'T',
        () if is_caller() => 'R',
        () => 'S',
    }
}

impl One {
    fn thread(&self) -> Option<super::Thread> {
        tree::lock().node(self.0)?.threads.first().cloned()
    }

    fn process(&self) -> Option<Arc<super::Process>> {
        tree::lock().node(self.0).map(|node| node.process.clone())
    }
}

impl procfs::Process for One {
    fn files(&self) -> Option<Arc<FdTable>> {
        Some(self.thread()?.files().table().clone())
    }

    fn exe(&self) -> Option<Arc<Dentry>> {
        self.process()?.program().exe
    }

    fn cwd(&self) -> Option<Arc<Dentry>> {
        Some(self.thread()?.fs().cwd())
    }

    fn comm(&self) -> String {
        let comm = self.process().map(|process| process.program().comm).unwrap_or_default();
        String::from_utf8_lossy(&comm).into_owned()
    }

    fn cmdline(&self) -> Arc<Vec<u8>> {
        self.process().map(|process| process.program().cmdline).unwrap_or_default()
    }

    fn maps(&self) -> Result<String> {
        self.thread().and_then(|thread| thread.mm()).map_or(Ok(String::new()), |mm| mm.maps())
    }

    fn figures(&self) -> Figures {
        let mm = self.thread().and_then(|thread| thread.mm());
        let (vm_bytes, rss_bytes) = mm.map_or((0, 0), |mm| mm.usage());
        let tree = tree::lock();
        let node = tree.node(self.0);
        let of = |f: fn(&tree::Node) -> u32| node.map_or(0, |node| f(node) as i32);
        Figures {
            state: node.map_or('Z', state),
            ppid: of(|node| node.parent),
            pgrp: of(|node| node.pgid),
            session: of(|node| node.sid),
            threads: node.map_or(0, |node| node.threads.len()),
            vm_bytes,
            rss_bytes,
        }
    }
}
