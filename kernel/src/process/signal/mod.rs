//! Signals: numbers, dispositions, sending (Linux: `kernel/signal.c`).
//!
//! * [`deliver`]: acting on a pending signal on the way back to user space
//! * [`frame`]: what a handler finds on its stack, and the way back
//! * [`queue`]: why pending signals were sent; [`signalfd`]: reading them from a file
#![forbid(unsafe_code)]

pub mod deliver;
pub mod frame;
pub mod queue;
pub mod signalfd;

use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::group::Process;
use super::thread::{State, Thread};
use super::{stop, tree};
use crate::vfs::file::POLLIN;
use queue::{Queue, Taken, To};

/// A set of signals: bit n-1 for signal n.
pub type SigSet = u64;
/// The largest signal number.
pub const MAX_SIGNAL: u32 = 64;

/// The terminal is gone, or whoever looked after the group.
pub const SIGHUP: u32 = 1;
/// Illegal instruction.
pub const SIGILL: u32 = 4;
/// Breakpoint.
pub const SIGTRAP: u32 = 5;
/// Access to memory that is not there after all.
pub const SIGBUS: u32 = 7;
/// Arithmetic exception.
pub const SIGFPE: u32 = 8;
/// Kill, whatever the process wants.
pub const SIGKILL: u32 = 9;
/// Access to memory that is not mapped or not allowed.
pub const SIGSEGV: u32 = 11;
/// Write to a pipe nobody reads.
pub const SIGPIPE: u32 = 13;
/// A file is longer than it may become.
pub const SIGXFSZ: u32 = 25;
/// A child has changed.
pub const SIGCHLD: u32 = 17;
/// Go on after a stop.
pub const SIGCONT: u32 = 18;
/// Stop, whatever the process wants.
pub const SIGSTOP: u32 = 19;

/// `SIG_DFL`.
pub const DEFAULT: u64 = 0;
/// `SIG_IGN`.
pub const IGNORE: u64 = 1;

/// `SA_NOCLDSTOP`: the parent gets no signal when a child stops or goes on.
pub const SA_NOCLDSTOP: u64 = 1;
/// `SA_NOCLDWAIT`: children leave no zombies.
pub const SA_NOCLDWAIT: u64 = 2;
/// `SA_RESTORER`: the action says where handlers return to.
pub const SA_RESTORER: u64 = 0x0400_0000;
/// `SA_ONSTACK`: the handler runs on the alternate stack.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// `SA_RESTART`: interrupted calls are made again.
pub const SA_RESTART: u64 = 0x1000_0000;
/// `SA_NODEFER`: the signal is not blocked while its handler runs.
pub const SA_NODEFER: u64 = 0x4000_0000;
/// `SA_RESETHAND`: the action becomes the default when the handler starts.
pub const SA_RESETHAND: u64 = 0x8000_0000;

/// The flags that are kept: those above, `SA_SIGINFO` and `SA_EXPOSE_TAGBITS`.
pub const SA_KNOWN: u64 = SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_RESTORER
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND
    | 4
    | 0x800;

/// Sent by `kill`.
pub const SI_USER: i32 = 0;
/// Sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// Sent by `tkill` or `tgkill`.
pub const SI_TKILL: i32 = -6;

/// The signals no process may block, catch or ignore.
pub const UNBLOCKABLE: SigSet = bit(SIGKILL) | bit(SIGSTOP);
/// The signals that the faulting instruction itself raises.
const SYNCHRONOUS: SigSet = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE);
/// Ignored by default: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
const IGNORED: SigSet = bit(17) | bit(18) | bit(23) | bit(28);
/// Stop by default: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
pub const STOPS: SigSet = bit(19) | bit(20) | bit(21) | bit(22);

/// The set of one signal.
pub const fn bit(signal: u32) -> SigSet {
    1 << (signal - 1)
}

/// What a process does about a signal; the layout of arm64's `struct sigaction` in the kernel.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Action {
    /// `DEFAULT`, `IGNORE` or the handler's address.
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// Where the handler returns to, with `SA_RESTORER`.
    pub restorer: u64,
    /// What is blocked while it runs.
    pub mask: SigSet,
}

/// `struct sigaltstack`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SignalStack {
    /// Its lowest address.
    pub sp: u64,
    /// `SS_ONSTACK` 1, `SS_DISABLE` 2.
    pub flags: u32,
    /// Padding.
    pub pad: u32,
    /// In bytes.
    pub size: u64,
}

impl Default for SignalStack {
    fn default() -> Self {
        SignalStack { sp: 0, flags: 2, pad: 0, size: 0 }
    }
}

/// A signal and why it was sent (the beginning of `siginfo_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub signal: u32,
    /// `SI_*`, or what kind of fault.
    pub code: i32,
    /// For a fault the address; else the sender's process number, and for SIGCHLD the status word above it.
    pub detail: u64,
}

/// A process' dispositions, and why the pending signals were sent.
pub struct Signals {
    actions: [Action; MAX_SIGNAL as usize],
    queue: Queue,
}

impl Default for Signals {
    fn default() -> Self {
        Signals { actions: [Action::default(); MAX_SIGNAL as usize], queue: Queue::default() }
    }
}

impl Signals {
    /// The same dispositions with nothing pending, for fork.
    pub fn fork(&self) -> Signals {
        Signals { actions: self.actions, queue: Queue::default() }
    }

    /// What is done about a signal.
    pub fn action(&self, signal: u32) -> Action {
        self.actions[signal as usize - 1]
    }

    /// Changes what is done about a signal.
    pub fn set_action(&mut self, signal: u32, action: Action) {
        self.actions[signal as usize - 1] = action;
    }

    /// What is caught is the default again: execve took the handlers away.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.actions {
            let handler = if action.handler == IGNORE { IGNORE } else { DEFAULT };
            *action = Action { handler, ..Action::default() };
        }
    }

    /// Forgets why a signal was sent: it is not pending any more.
    pub(super) fn forget(&mut self, signal: u32) {
        self.queue.forget(signal);
    }

    /// Whether sending it has no effect at all.
    pub fn ignores(&self, signal: u32) -> bool {
        match self.action(signal).handler {
            IGNORE => true,
            DEFAULT => IGNORED & bit(signal) != 0,
            _ => false,
        }
    }
}

impl Thread {
    /// Whether [`before_user`](super::before_user) has something to do for it.
    #[inline]
    pub fn has_work(&self) -> bool {
        let pending = self.pending.load(Ordering::Acquire) | self.process().pending.load(Ordering::Acquire);
        pending & !self.mask.load(Ordering::Relaxed) != 0
            || self.ending().is_some()
            || self.process().stop.is_on()
            || self.has_saved_mask.load(Ordering::Relaxed)
            || self.restart[1].load(Ordering::Relaxed) != 0
    }

    /// Whether it is going to end without returning to user space.
    pub fn is_killed(&self) -> bool {
        let pending = self.pending.load(Ordering::Acquire) | self.process().pending.load(Ordering::Acquire);
        pending & bit(SIGKILL) != 0 || self.ending().is_some()
    }
}

impl State {
    /// The signals it blocks.
    pub fn mask(&self) -> SigSet {
        self.mask.load(Ordering::Relaxed)
    }

    /// Sets the signals it blocks, but for those nobody may. Only for the calling thread itself, which takes what is
    /// pending and no longer blocked before it returns to user space or sleeps interruptibly; what it blocks from here
    /// on, its process' other threads are to take.
    ///
    /// Who sends looks at masks after the signal is pending, and this looks at what is pending after the mask has
    /// changed, each behind a full barrier: one of the two sees the other.
    pub fn set_mask(&self, mask: SigSet) {
        let mask = mask & !UNBLOCKABLE;
        let before = self.mask.swap(mask, Ordering::Relaxed);
        if before == mask {
            return;
        }
        fence(Ordering::SeqCst);
        if self.pending() & before & !mask != 0 {
            self.kick();
        }
        self.pass_on(mask & !before);
    }

    /// Lets other threads take those signals of `set` that are pending for the process (Linux:
    /// `retarget_shared_pending`).
    pub(super) fn pass_on(&self, set: SigSet) {
        let left = self.process().pending.load(Ordering::Acquire) & set;
        if left == 0 {
            return;
        }
        let others = threads(self.process());
        let others = others.iter().filter(|other| !core::ptr::eq(&***other, self));
        others.filter(|other| left & !other.mask() != 0).for_each(|other| other.kick());
    }

    /// Adds a signal to its own.
    fn post(&self, signals: &mut Signals, what: Taken) {
        let signal = bit(what.info.signal);
        let before = self.pending.fetch_or(signal, Ordering::AcqRel);
        signals.queue.push(self.as_target(), what, before & signal != 0);
    }

    /// How the queue knows it.
    fn as_target(&self) -> To {
        To::Thread(core::ptr::from_ref(self).addr())
    }

    /// Takes one of the pending signals of `set`: SIGKILL before all, its own before its process'; of these what an
    /// instruction raised, then the lowest. SIGKILL stays with the process, for every thread to see.
    fn dequeue(&self, signals: &mut Signals, set: SigSet) -> Option<Taken> {
        let process = self.process();
        let own = self.pending.load(Ordering::Acquire) & set;
        let shared = process.pending.load(Ordering::Acquire) & set;
        let kill = (own | shared) & bit(SIGKILL);
        let choices = [kill, own & SYNCHRONOUS, own, shared & SYNCHRONOUS, shared];
        let set = choices.into_iter().find(|&set| set != 0)?;
        let signal = set.trailing_zeros() + 1;
        let is_own = own & bit(signal) != 0;
        let (to, from) =
            if is_own { (self.as_target(), &self.pending) } else { (To::Process, &process.pending) };
        let (taken, more) = signals.queue.take(to, signal);
        if !more && (is_own || signal != SIGKILL) {
            from.fetch_and(!bit(signal), Ordering::AcqRel);
        }
        Some(taken)
    }

    /// Pending signals, its own and the process'.
    pub fn pending(&self) -> SigSet {
        self.pending.load(Ordering::Acquire) | self.process().pending.load(Ordering::Acquire)
    }
}

/// Whether `signal` would be dropped: ignored and not blocked, or meant to kill init.
fn dropped(process: &Process, signals: &Signals, signal: u32, mask: SigSet) -> bool {
    let protected = process.pid() == tree::INIT && signals.action(signal).handler == DEFAULT;
    protected || (signals.ignores(signal) && mask & bit(signal) == 0)
}

/// Sends a signal to a process: any of its threads that does not block it takes it.
pub fn send_process(process: &Process, info: Info) {
    send_process_with(process, Taken { info, value: 0 });
}

/// [`send_process`], with a value. Returns whether the signal is not ignored.
pub fn send_process_with(process: &Process, what: Taken) -> bool {
    let signal = what.info.signal;
    stop::prepare(process, signal);
    let Some(mask) = common_mask(process) else { return false };
    let mut signals = process.signals.lock();
    if dropped(process, &signals, signal, mask) {
        return false;
    }
    let before = process.pending.fetch_or(bit(signal), Ordering::AcqRel);
    signals.queue.push(To::Process, what, before & bit(signal) != 0);
    drop(signals);
    // Whoever joins the process or opens its mask from here on finds the signal pending (see `State::set_mask`).
    fence(Ordering::SeqCst);
    let threads = threads(process);
    let mut takers = threads.iter().filter(|thread| thread.mask() & bit(signal) == 0);
    if signal == SIGKILL {
        takers.for_each(|thread| thread.kick());
    } else if let Some(taker) = takers.next() {
        taker.kick();
    }
    signalfd::WATCHED.notify(POLLIN);
    true
}

/// The threads of a process that have not ended.
pub(super) fn threads(process: &Process) -> Vec<Thread> {
    tree::lock().node(process.pid()).map(|node| node.threads.clone()).unwrap_or_default()
}

/// What all threads of a process block. `None` once it is gone.
fn common_mask(process: &Process) -> Option<SigSet> {
    let tree = tree::lock();
    let threads = &tree.node(process.pid())?.threads;
    threads.iter().map(|thread| thread.mask()).reduce(|a, b| a & b).or(Some(0))
}

/// Sends a signal to one thread.
pub fn send_thread(thread: &Thread, info: Info) {
    send_thread_with(thread, Taken { info, value: 0 });
}

/// [`send_thread`], with a value. Returns whether the signal is not ignored.
pub fn send_thread_with(thread: &Thread, what: Taken) -> bool {
    let (process, signal) = (thread.process(), what.info.signal);
    stop::prepare(process, signal);
    let mut signals = process.signals.lock();
    if dropped(process, &signals, signal, thread.mask()) {
        return false;
    }
    thread.post(&mut signals, what);
    drop(signals);
    thread.kick();
    signalfd::WATCHED.notify(POLLIN);
    true
}

/// Sends the calling thread SIGPIPE: what it writes, nobody will read.
pub fn broken_pipe() {
    if let Some(thread) = super::current() {
        let detail = u64::from(thread.process().pid());
        send_thread(&thread, Info { signal: SIGPIPE, code: SI_USER, detail });
    }
}

/// Sends a signal that the calling thread raised itself and cannot go on without: if it blocks or ignores it, it dies.
pub fn force(thread: &Thread, info: Info) {
    let process = thread.process();
    let mut signals = process.signals.lock();
    let blocked = thread.mask() & bit(info.signal) != 0;
    if blocked || signals.action(info.signal).handler == IGNORE {
        signals.set_action(info.signal, Action::default());
        thread.set_mask(thread.mask() & !bit(info.signal));
    }
    thread.post(&mut signals, Taken { info, value: 0 });
}
