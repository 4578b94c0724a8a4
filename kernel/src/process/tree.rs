//! Everybody there is, by number: processes with their parents, children, groups and threads (Linux: `kernel/pid.c`,
//! the tasklist).
//!
//! One spinning lock. Nothing is dropped under it: what leaves is handed out.
#![forbid(unsafe_code)]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::group::Process;
use super::signal::SIGCHLD;
use super::thread::Thread;
use crate::sync::{SpinGuard, SpinLock, order};

/// The largest process number.
pub const PID_MAX: u32 = 32768;
/// How many threads there may be, whatever the memory.
const MAX_THREADS: usize = 8192;
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

/// Everybody.
pub struct Tree {
    nodes: BTreeMap<u32, Node>,
    tids: BTreeMap<u32, u32>,
    last: u32,
}

static TREE: SpinLock<Tree, { order::PROCESS_TREE }> =
    SpinLock::new(Tree { nodes: BTreeMap::new(), tids: BTreeMap::new(), last: 0 });

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

    /// The process that a thread belongs to.
    pub fn process_of(&self, tid: u32) -> Option<u32> {
        self.tids.get(&tid).copied().filter(|&pid| pid != 0)
    }

    /// How many threads there are.
    pub fn thread_count(&self) -> usize {
        self.tids.len()
    }

    /// Whether nobody of a group's session outside it is there to look after it: then it is not to be stopped.
    pub fn is_orphaned_group(&self, pgid: u32) -> bool {
        let is_looked_after = |node: &Node| {
            self.node(node.parent).is_some_and(|parent| parent.pgid != pgid && parent.sid == node.sid)
        };
        let alive = |node: &&Node| node.pgid == pgid && node.status.is_none();
        !self.nodes.values().filter(alive).any(is_looked_after)
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

    /// Gives the children of a process that ends to init. Returns whether any of them is a zombie.
    pub fn orphan_children(&mut self, pid: u32) -> bool {
        let Some(node) = self.nodes.get_mut(&pid) else { return false };
        let orphans = core::mem::take(&mut node.children);
        let mut zombie = false;
        for orphan in &orphans {
            if let Some(node) = self.nodes.get_mut(orphan) {
                node.parent = INIT;
                node.exit_signal = SIGCHLD;
                zombie |= node.status.is_some();
            }
        }
        if let Some(init) = self.nodes.get_mut(&INIT) {
            init.children.extend(orphans);
        }
        zombie
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
