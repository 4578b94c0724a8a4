//! What the threads of a process share (Linux: `struct signal_struct`, `struct sighand_struct`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrayvec::ArrayVec;
use heaps::Result;

use super::attributes::Attributes;
use super::creds::Creds;
use super::limits::{self, Limit, Limits};
use super::signal::{Action, Signals};
use super::stop::Stop;
use super::timers::Timers;
use crate::sync::{SpinLock, WaitQueue, order};
use crate::time::cpu::{Account, Usage};
use crate::vfs::Dentry;
use crate::vfs::poll::PollQueue;
use crate::vfs::write_access::DenyWrite;

/// Bytes of a process' name (Linux: `TASK_COMM_LEN` less its NUL).
pub const COMM_LEN: usize = 15;

/// A process' name: the last part of the path it was started by.
pub type Comm = ArrayVec<u8, COMM_LEN>;

/// A process. It outlives its threads until its parent has seen its status.
pub struct Process {
    pid: u32,
    pub(super) signals: SpinLock<Signals, { order::SIGNALS }>,
    /// Signals sent to the process, one bit each; changed under `signals`.
    pub(super) pending: AtomicU64,
    /// The status that exit_group or a deadly signal set, plus one; 0 before.
    group_exit: AtomicU64,
    /// Whether it is stopped.
    pub stop: Stop,
    /// Woken when a child changes.
    pub(super) children: WaitQueue,
    /// Woken when a thread has ended.
    pub(super) threads: WaitQueue,
    /// Who watches for its end.
    pub(super) ended: PollQueue,
    /// Its timers.
    pub timers: Timers,
    /// CPU time of threads that have ended, and of children.
    pub cpu: Account,
    executing: AtomicBool,
    limits: SpinLock<Limits, { order::TASK }>,
    creds: SpinLock<Creds, { order::TASK }>,
    attributes: Attributes,
    /// When it was made, in nanoseconds since boot.
    started: u64,
    program: SpinLock<Program, { order::TASK }>,
}

/// What a process runs.
#[derive(Clone, Default)]
pub struct Program {
    /// Its name.
    pub comm: Comm,
    /// The file it was loaded from.
    pub exe: Option<Arc<Dentry>>,
    /// Keeps others from writing to it.
    pub denied: Option<Arc<DenyWrite>>,
    /// Where in its memory its arguments are, each ended by a NUL.
    pub args: Range<u64>,
    /// Where its environment is.
    pub env: Range<u64>,
}

impl Process {
    /// A process with these signal dispositions that runs this program.
    pub fn new(pid: u32, signals: Signals, program: Program) -> Arc<Process> {
        Arc::new(Process {
            pid,
            signals: SpinLock::new(signals),
            pending: AtomicU64::new(0),
            group_exit: AtomicU64::new(0),
            stop: Stop::default(),
            children: WaitQueue::new(),
            threads: WaitQueue::new(),
            ended: PollQueue::new(),
            timers: Timers::default(),
            cpu: Account::default(),
            executing: AtomicBool::new(false),
            limits: SpinLock::new(limits::INITIAL),
            creds: SpinLock::default(),
            attributes: Attributes::default(),
            started: crate::arch::now_ns(),
            program: SpinLock::new(program),
        })
    }

    /// A child of this one, with its program, limits and rights.
    pub fn fork(&self, pid: u32, signals: Signals) -> Arc<Process> {
        let mut child = Process::new(pid, signals, self.program());
        if let Some(new) = Arc::get_mut(&mut child) {
            *new.limits.get_mut() = self.limits();
            *new.creds.get_mut() = self.creds();
            new.attributes = self.attributes.fork();
        }
        child
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it runs.
    pub fn program(&self) -> Program {
        self.program.lock().clone()
    }

    /// Replaces what it runs.
    pub fn set_program(&self, program: Program) {
        let before = core::mem::replace(&mut *self.program.lock(), program);
        drop(before);
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    /// Whom it acts for.
    pub fn creds(&self) -> Creds {
        self.creds.lock().clone()
    }

    /// What `look` makes of whom it acts for, under the lock of that: `look` takes no other.
    pub fn with_creds<T>(&self, look: impl FnOnce(&Creds) -> T) -> T {
        look(&self.creds.lock())
    }

    /// Changes whom it acts for; the error of `change` changes nothing.
    pub fn change_creds<T>(&self, change: impl FnOnce(&mut Creds) -> Result<T>) -> Result<T> {
        let mut creds = self.creds.lock();
        let mut new = creds.clone();
        let outcome = change(&mut new);
        if outcome.is_ok() {
            core::mem::swap(&mut *creds, &mut new);
        }
        drop(creds);
        outcome
    }

    /// What it says of itself.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// One of them, changed if `change` says to what; its error changes nothing.
    pub fn change_limit(
        &self,
        kind: usize,
        change: impl FnOnce(&Limit) -> Result<Option<Limit>>,
    ) -> Result<Limit> {
        let mut limits = self.limits.lock();
        let before = limits[kind];
        if let Some(new) = change(&before)? {
            limits[kind] = new;
        }
        Ok(before)
    }

    /// When it was made, in nanoseconds since boot.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Sets its name.
    pub fn set_comm(&self, comm: Comm) {
        self.program.lock().comm = comm;
    }

    /// What it does about a signal, changed to `new` if there is one. What is ignored from now on and pending is
    /// forgotten.
    pub fn change_action(&self, signal: u32, new: Option<Action>) -> Action {
        let threads = match new {
            Some(_) => {
                super::tree::lock().node(self.pid).map(|node| node.threads.clone()).unwrap_or_default()
            }
            None => Default::default(),
        };
        let mut signals = self.signals.lock();
        let before = signals.action(signal);
        if let Some(new) = new {
            signals.set_action(signal, new);
            if signals.ignores(signal) {
                let sent_to = threads.iter().map(|thread| &thread.pending);
                for pending in sent_to.chain([&self.pending]) {
                    pending.fetch_and(!super::signal::bit(signal), Ordering::AcqRel);
                }
                signals.forget(signal);
            }
        }
        before
    }

    /// What its threads have used, ended ones included.
    pub fn usage(&self) -> Usage {
        let tree = super::tree::lock();
        let live = tree.node(self.pid).map(|node| node.threads.as_slice()).unwrap_or_default();
        live.iter().fold(self.cpu.ended(), |sum, thread| sum + thread.cpu.usage(crate::arch::now_ns))
    }

    /// The turn of the one thread that may execute another program; `None` while another has it.
    pub(super) fn begin_exec(&self) -> Option<ExecTurn<'_>> {
        (!self.executing.swap(true, Ordering::AcqRel)).then_some(ExecTurn(self))
    }

    /// Lets the whole process end with this status, unless it ends already; returns the one it ends with.
    pub(super) fn set_group_exit(&self, status: u32) -> u32 {
        let note = u64::from(status) + 1;
        match self.group_exit.compare_exchange(0, note, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => status,
            Err(before) => (before - 1) as u32,
        }
    }

    /// The status the whole process ends with, if it does.
    pub fn group_exit(&self) -> Option<u32> {
        self.group_exit.load(Ordering::Acquire).checked_sub(1).map(|status| status as u32)
    }
}

/// The turn to execute another program; dropped, another thread may.
pub(super) struct ExecTurn<'a>(&'a Process);

impl Drop for ExecTurn<'_> {
    fn drop(&mut self) {
        self.0.executing.store(false, Ordering::Release);
    }
}
