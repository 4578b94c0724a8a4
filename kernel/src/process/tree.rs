//! Everybody there is, by number: processes with their parents, children, groups and threads (Linux: `kernel/pid.c`,
//! the tasklist).
//!
//! One spinning lock. Nothing is dropped under it: what leaves is handed out.
#![forbid(unsafe_code)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use super::group::Process;
use super::signal::SIGCHLD;
use super::thread::Thread;
use crate::mm::aspace::Space;
use crate::sync::{SpinGuard, SpinLock, order};

/// The largest process number.
pub const PID_MAX: u32 = 32768;
/// How many threads there may be, whatever the memory.
pub(super) const MAX_THREADS: usize = 8192;
/// The process that inherits orphans.
pub const INIT: u32 = 1;

/// One process' place.
pub struct Node {
    /// The process.
    pub process: Arc<Process>,
    /// Its parent's number; 0 for none.
    pub parent: u32,
    /// Its children's numbers.
    pub children: BTreeSet<u32>,
    /// Its process group.
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// The threads that have not ended.
    pub threads: Vec<Thread>,
    /// The status word, once it is a zombie.
    pub status: Option<u32>,
    /// The signal its parent gets when it ends; 0 for none.
    pub exit_signal: u32,
}

/// What a process that ends leaves behind.
#[derive(Default)]
pub struct Orphans {
    /// Who inherited its children, if one of them is a zombie.
    pub heir: Option<Arc<Process>>,
    /// Children that want a signal now, and which.
    pub told: Vec<(Arc<Process>, u32)>,
    /// Groups with stopped processes that nobody looks after any more.
    pub groups: BTreeSet<u32>,
}

/// Everybody.
pub struct Tree {
    nodes: BTreeMap<u32, Node>,
    tids: BTreeMap<u32, u32>,
    last: u32,
    started: u64,
}

static TREE: SpinLock<Tree, { order::PROCESS_TREE }> =
    SpinLock::new(Tree { nodes: BTreeMap::new(), tids: BTreeMap::new(), last: 0, started: 0 });

/// The tree, locked.
pub fn lock() -> SpinGuard<'static, Tree, { order::PROCESS_TREE }> {
    TREE.lock()
}

/// A process or thread number that is taken; dropped, it is free again. Not dropped with the tree locked.
pub struct Number(Option<u32>);

impl Number {
    /// A free number. `EAGAIN` when there are too many threads.
    pub fn alloc() -> Result<Number> {
        let mut tree = lock();
        if tree.tids.len() >= MAX_THREADS {
            return Err(Errno::EAGAIN);
        }
        let free = (1..=PID_MAX).map(|i| (tree.last + i - 1) % PID_MAX + 1);
        let number = free.into_iter().find(|n| !tree.taken(*n)).ok_or(Errno::EAGAIN)?;
        tree.last = number;
        tree.started += 1;
        tree.tids.insert(number, 0);
        Ok(Number(Some(number)))
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0.unwrap_or(0)
    }

    /// Leaves it to the tree, which has a thread of that number now.
    fn keep(&mut self) -> u32 {
        self.0.take().unwrap_or(0)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(number) = self.0 {
            lock().tids.remove(&number);
        }
    }
}

impl Tree {
    fn taken(&self, number: u32) -> bool {
        let groups = |node: &Node| node.pgid == number || node.sid == number;
        self.tids.contains_key(&number) || self.nodes.contains_key(&number) || self.nodes.values().any(groups)
    }

    /// The process with this number.
    pub fn node(&self, pid: u32) -> Option<&Node> {
        self.nodes.get(&pid)
    }

    /// The process with this number.
    pub fn node_mut(&mut self, pid: u32) -> Option<&mut Node> {
        self.nodes.get_mut(&pid)
    }

    /// All processes, by number.
    pub fn nodes(&self) -> impl Iterator<Item = (&u32, &Node)> {
        self.nodes.iter()
    }

    /// The process with the lowest number from `pid` on.
    pub fn next_node(&self, pid: u32) -> Option<&Node> {
        self.nodes.range(pid..).next().map(|(_, node)| node)
    }

    /// The process that a thread belongs to.
    pub fn process_of(&self, tid: u32) -> Option<u32> {
        self.tids.get(&tid).copied().filter(|&pid| pid != 0)
    }

    /// How many threads there are.
    pub fn thread_count(&self) -> usize {
        self.tids.len()
    }

    /// How many threads were ever started, and the number given out last.
    pub fn started(&self) -> (u64, u32) {
        (self.started, self.last)
    }

    /// The thread with this number.
    pub fn thread(&self, tid: u32) -> Option<&Thread> {
        let node = self.nodes.get(&self.process_of(tid)?)?;
        node.threads.iter().find(|thread| thread.tid() == tid)
    }

    /// The first process that has an address space.
    pub fn owner_of(&self, space: &Weak<Space>) -> Option<u32> {
        let has = |thread: &Thread| thread.with_mm(|mm| mm.space().ptr_eq(space)).unwrap_or(false);
        self.nodes.iter().find(|(_, node)| node.threads.iter().any(has)).map(|(pid, _)| *pid)
    }

    /// Whether nobody of a group's session outside it is there to look after it: then it is not to be stopped. Init
    /// looks after nobody.
    pub fn is_orphaned_group(&self, pgid: u32) -> bool {
        self.is_orphaned_without(pgid, 0)
    }

    /// The same once process `without` has gone (Linux: `will_become_orphaned_pgrp`).
    fn is_orphaned_without(&self, pgid: u32, without: u32) -> bool {
        let counts = |pid: u32, node: &Node| {
            node.pgid == pgid && pid != without && node.status.is_none() && node.parent != INIT
        };
        let mut members = self.nodes.iter().filter(|(pid, node)| counts(**pid, node));
        !members.any(|(_, node)| self.looks_after(node.parent, node))
    }

    /// Whether a process could let another's group, which is not its own, go on.
    fn looks_after(&self, parent: u32, child: &Node) -> bool {
        self.node(parent).is_some_and(|parent| parent.pgid != child.pgid && parent.sid == child.sid)
    }

    fn has_stopped(&self, pgid: u32) -> bool {
        self.nodes.values().any(|node| node.pgid == pgid && node.process.stop.is_on())
    }

    /// Adds a process with its first thread. `ESRCH` when the parent is gone.
    pub fn add_process(
        &mut self,
        number: &mut Number,
        thread: Thread,
        parent: u32,
        exit_signal: u32,
    ) -> Result<()> {
        let pid = thread.process().pid();
        let (mut pgid, mut sid) = (pid, pid);
        if parent != 0 {
            let parent = self.nodes.get_mut(&parent).ok_or(Errno::ESRCH)?;
            (pgid, sid) = (parent.pgid, parent.sid);
            parent.children.insert(pid);
        }
        let process = thread.process().clone();
        let (children, threads, status) = (BTreeSet::new(), alloc::vec![thread], None);
        self.nodes.insert(pid, Node { process, parent, children, pgid, sid, threads, status, exit_signal });
        self.tids.insert(number.keep(), pid);
        Ok(())
    }

    /// Adds a thread to its process. `EAGAIN` when the process is ending.
    pub fn add_thread(&mut self, number: &mut Number, thread: Thread) -> Result<()> {
        let process = thread.process();
        let pid = process.pid();
        let node = self.nodes.get_mut(&pid).ok_or(Errno::EAGAIN)?;
        if process.group_exit().is_some() {
            return Err(Errno::EAGAIN);
        }
        node.threads.push(thread);
        self.tids.insert(number.keep(), pid);
        Ok(())
    }

    /// Takes a thread that ends out of its process; returns it, and whether it was the last.
    pub fn remove_thread(&mut self, thread: &Thread) -> (Option<Thread>, bool) {
        self.tids.remove(&thread.tid());
        let Some(node) = self.nodes.get_mut(&thread.process().pid()) else { return (None, false) };
        let at = node.threads.iter().position(|other| Thread::same(other, thread));
        if at.is_some() {
            // In one step for whoever adds them up.
            node.process.cpu.add_ended(thread.cpu.usage(crate::arch::now_ns));
        }
        (at.map(|at| node.threads.swap_remove(at)), node.threads.is_empty())
    }

    /// Renames a thread that takes its process' number, at execve.
    pub fn rename_thread(&mut self, from: u32, pid: u32) {
        self.tids.remove(&from);
        self.tids.insert(pid, pid);
    }

    /// Who inherits the children of a process that ends: the next above it that said it would, else init.
    fn reaper_of(&self, pid: u32) -> u32 {
        let mut at = self.nodes.get(&pid).map_or(INIT, |node| node.parent);
        while let Some(node) = self.nodes.get(&at).filter(|_| at != INIT) {
            let is_reaper = node.process.attributes().subreaper.load(Ordering::Relaxed) != 0;
            if is_reaper && node.status.is_none() {
                return at;
            }
            at = node.parent;
        }
        INIT
    }

    /// Gives the children of a process that ends to whoever inherits them.
    pub fn orphan_children(&mut self, pid: u32) -> Orphans {
        let reaper = self.reaper_of(pid);
        let Some(node) = self.nodes.get_mut(&pid) else { return Orphans::default() };
        let children = core::mem::take(&mut node.children);
        let (mut left, mut zombie) = (Orphans::default(), false);
        for child in &children {
            let Some(node) = self.nodes.get_mut(child) else { continue };
            node.parent = reaper;
            // Heirs hear of every end by the usual signal.
            node.exit_signal = SIGCHLD;
            zombie |= node.status.is_some();
            let signal = node.process.attributes().death_signal.load(Ordering::Relaxed);
            if signal != 0 {
                left.told.push((node.process.clone(), signal));
            }
        }
        left.groups = self.groups_left(pid, &children);
        if let Some(node) = self.nodes.get_mut(&reaper) {
            node.children.extend(children);
            left.heir = zombie.then(|| node.process.clone());
        }
        left
    }

    /// The groups with stopped processes that nobody looks after once `pid` has gone: its own, and those of the
    /// children it leaves (Linux: `kill_orphaned_pgrp`).
    fn groups_left(&self, pid: u32, children: &BTreeSet<u32>) -> BTreeSet<u32> {
        let Some(me) = self.node(pid) else { return BTreeSet::new() };
        let own = Some(me).filter(|me| self.looks_after(me.parent, me)).map(|me| (me.pgid, pid));
        let children = children.iter().filter_map(|child| self.node(*child));
        let theirs = children.filter(|child| self.looks_after(pid, child)).map(|child| (child.pgid, 0));
        let left =
            |&(pgid, without): &(u32, u32)| self.is_orphaned_without(pgid, without) && self.has_stopped(pgid);
        own.into_iter().chain(theirs).filter(left).map(|(pgid, _)| pgid).collect()
    }

    /// Takes out a zombie whose status was seen.
    pub fn reap(&mut self, pid: u32) -> Option<Node> {
        let node = self.nodes.remove(&pid)?;
        if let Some(parent) = self.nodes.get_mut(&node.parent) {
            parent.children.remove(&pid);
            if parent.children.is_empty() {
                // An emptied set keeps a node.
                parent.children = BTreeSet::new();
            }
        }
        Some(node)
    }
}
