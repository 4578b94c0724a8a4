//! What `/proc` says about processes.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use heaps::fallible::try_push;
use heaps::{Errno, Result};

use super::signal::{DEFAULT, IGNORE, MAX_SIGNAL, bit};
use super::{Thread, current, oom, tree};
use crate::drivers::{console, dma_heap};
use crate::sched;
use crate::vfs::procfs::{self, Figures, Processes, SignalSets};
use crate::vfs::{Dentry, FdTable};

struct All;

/// One process, or one thread of it, by number: it may be gone when it is asked.
struct One(u32);

/// Tells `/proc` who knows the processes. At boot.
pub fn init() {
    procfs::set_processes(&All);
}

impl Processes for All {
    fn current(&self) -> i32 {
        current().map_or(0, |thread| thread.process().pid() as i32)
    }

    fn current_thread(&self) -> i32 {
        current().map_or(0, |thread| thread.tid() as i32)
    }

    fn find(&self, pid: i32) -> Option<Arc<dyn procfs::Process>> {
        let one = One(u32::try_from(pid).ok()?);
        one.process()?;
        Some(Arc::new(one))
    }

    fn next(&self, pid: i32) -> Option<i32> {
        let from = u32::try_from(pid).unwrap_or(0);
        tree::lock().next_node(from).map(|node| node.process.pid() as i32)
    }
}

impl One {
    /// The thread of that number, or the process' first.
    fn thread(&self) -> Option<Thread> {
        let tree = tree::lock();
        tree.thread(self.0).or_else(|| tree.node(self.0)?.threads.first()).cloned()
    }

    fn process(&self) -> Option<Arc<super::Process>> {
        let tree = tree::lock();
        let pid = tree.process_of(self.0).unwrap_or(self.0);
        tree.node(pid).map(|node| node.process.clone())
    }

    /// What is in its memory between two addresses; nothing when it has none any more.
    fn memory(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let Some(mm) = self.thread().and_then(|thread| thread.mm()) else { return Ok(Vec::new()) };
        let len = (range.end - range.start) as usize;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(len, 0);
        match mm.read(range.start, &mut bytes) {
            // It has unmapped them.
            Err(Errno::EFAULT) => Ok(Vec::new()),
            read => read.map(|()| bytes),
        }
    }

    fn state(&self) -> char {
        let thread = self.thread();
        let Some(process) = self.process() else { return 'Z' };
        match thread.and_then(|thread| thread.task()) {
            None => 'Z',
            Some(_) if process.stop.is_on() => 'T',
            Some(task) => sched::activity(&task),
        }
    }

    fn signals(&self) -> SignalSets {
        let (Some(process), Some(thread)) = (self.process(), self.thread()) else {
            return SignalSets::default();
        };
        let signals = process.signals.lock();
        let set = |of: fn(u64) -> bool| {
            let chosen = (1..=MAX_SIGNAL).filter(|&signal| of(signals.action(signal).handler));
            chosen.fold(0, |set, signal| set | bit(signal))
        };
        SignalSets {
            pending: thread.pending.load(Ordering::Relaxed),
            shared: process.pending.load(Ordering::Relaxed),
            blocked: thread.mask(),
            ignored: set(|handler| handler == IGNORE),
            caught: set(|handler| handler != IGNORE && handler != DEFAULT),
        }
    }
}

impl procfs::Process for One {
    fn files(&self) -> Option<Arc<FdTable>> {
        Some(self.thread()?.files().clone())
    }

    fn exe(&self) -> Option<Arc<Dentry>> {
        self.process()?.program().exe
    }

    fn cwd(&self) -> Option<Arc<Dentry>> {
        Some(self.thread()?.fs().cwd())
    }

    fn root(&self) -> Option<Arc<Dentry>> {
        Some(self.thread()?.fs().root())
    }

    fn comm(&self) -> String {
        let comm = self.process().map(|process| process.program().comm).unwrap_or_default();
        String::from_utf8_lossy(&comm).into_owned()
    }

    fn cmdline(&self) -> Result<Vec<u8>> {
        self.process().map_or(Ok(Vec::new()), |process| self.memory(process.program().args))
    }

    fn environ(&self) -> Result<Vec<u8>> {
        self.process().map_or(Ok(Vec::new()), |process| self.memory(process.program().env))
    }

    fn limits(&self) -> [(u64, u64); 16] {
        let limits = self.process().map_or(super::limits::INITIAL, |process| process.limits());
        limits.map(|limit| (limit.soft, limit.hard))
    }

    fn next_thread(&self, tid: i32) -> Option<i32> {
        let (process, from) = (self.process()?, u32::try_from(tid).unwrap_or(0));
        let tree = tree::lock();
        let tids = tree.node(process.pid())?.threads.iter().map(|thread| thread.tid());
        tids.filter(|&tid| tid >= from).min().map(|tid| tid as i32)
    }

    fn maps(&self) -> Result<String> {
        self.thread().and_then(|thread| thread.mm()).map_or(Ok(String::new()), |mm| mm.maps())
    }

    fn oom_score(&self) -> i64 {
        self.process().map_or(0, |process| oom::score(&process))
    }

    fn oom_score_adj(&self) -> i32 {
        self.process().map_or(0, |process| oom::adj(&process))
    }

    fn set_oom_score_adj(&self, adj: i32) -> Result<()> {
        let process = self.process().ok_or(Errno::ESRCH)?;
        if !(oom::NEVER..=oom::FIRST).contains(&adj) {
            return Err(Errno::EINVAL);
        }
        let may_lower = current().is_some_and(|thread| thread.process().creds().may_use_resources());
        let attributes = process.attributes();
        if may_lower {
            attributes.oom_score_adj_min.store(adj, Ordering::Relaxed);
        } else if adj < attributes.oom_score_adj_min.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
        attributes.oom_score_adj.store(adj, Ordering::Relaxed);
        Ok(())
    }

    fn buffer_bytes(&self) -> Result<usize> {
        let mut found = Vec::new();
        let mut room = Ok(());
        let mut note = |file: usize, bytes: usize| {
            room = room.and_then(|()| try_push(&mut found, (file, bytes)));
        };
        if let Some(files) = self.files() {
            let mut fd = 0;
            while let Some(open) = files.next_open(fd) {
                fd = open + 1;
                if let Ok(file) = files.get(open as i32)
                    && let Some(bytes) = dma_heap::buffer_bytes(&file)
                {
                    note(Arc::as_ptr(&file).addr(), bytes);
                }
            }
        }
        if let Some(mm) = self.thread().and_then(|thread| thread.mm()) {
            mm.each_buffer(&mut note);
        }
        room?;
        found.sort_unstable();
        found.dedup();
        Ok(found.iter().map(|(_, bytes)| bytes).sum())
    }

    fn figures(&self) -> Figures {
        let (thread, process) = (self.thread(), self.process());
        let (vm_bytes, rss_bytes) = thread.as_ref().and_then(|t| t.mm()).map_or((0, 0), |mm| mm.usage());
        let program = process.as_ref().map(|process| process.program()).unwrap_or_default();
        let pid = process.as_ref().map_or(0, |process| process.pid());
        let is_leader = pid == self.0;
        let split = |process: &Arc<super::Process>| process.cpu.split(process.usage());
        let own = match is_leader {
            true => process.as_ref().map(split),
            false => thread.as_ref().map(|thread| thread.cpu.usage(crate::arch::now_ns).split()),
        };
        let children = process.as_ref().map_or((0, 0), |process| process.cpu.children().split());
        let creds = process.as_ref().map(|process| process.creds()).unwrap_or_default();
        let nice = process.as_ref().map_or(0, |process| process.attributes().nice.load(Ordering::Relaxed));
        let (state, signals) = (self.state(), self.signals());
        let umask = thread.as_ref().map_or(0, |thread| thread.fs().umask());
        let tree = tree::lock();
        let node = tree.node(pid);
        let of = |f: fn(&tree::Node) -> u32| node.map_or(0, |node| f(node) as i32);
        Figures {
            state,
            umask,
            tgid: pid as i32,
            ppid: of(|node| node.parent),
            pgrp: of(|node| node.pgid),
            session: of(|node| node.sid),
            terminal: console::terminal_of(of(|node| node.sid) as u32),
            nice,
            threads: node.map_or(0, |node| node.threads.len()),
            cpu_time: (own.unwrap_or_default(), children),
            started: process.map_or(0, |process| process.started()),
            processor: thread.and_then(|t| t.task()).map_or(0, |task| sched::last_cpu(&task)),
            exit_signal: of(|node| node.exit_signal) as u32,
            ids: [creds.user, creds.group].map(|ids| [ids.real, ids.effective, ids.saved, ids.fs]),
            caps: [creds.inheritable, creds.permitted, creds.effective],
            signals,
            strings: [program.args, program.env],
            vm_bytes,
            rss_bytes,
        }
    }
}
