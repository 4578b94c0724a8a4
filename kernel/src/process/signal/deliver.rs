//! Acting on what is pending, on the way back to user space (Linux: `get_signal`, `arch/arm64/kernel/signal.c`).
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use super::*;
use crate::arch::TrapFrame;
use crate::debug::strace;
use crate::process::thread::RestartBlock;
use crate::process::{exit, stop};

/// Does one thing that is pending. Returns the status to end with, if that is it.
pub fn act(thread: &Thread, frame: &mut TrapFrame) -> Option<u32> {
    if let Some(status) = thread.ending().or(thread.process().group_exit()) {
        return Some(status);
    }
    // SIGKILL is for the others below, and ends the stop for all.
    if thread.process().stop.is_on() && !thread.is_killed() {
        stop::wait(thread);
        return None;
    }
    let Some((taken, action)) = take(thread) else {
        restart(thread, frame, None);
        restore_mask(thread);
        return None;
    };
    if strace::is_on() {
        strace::signal(&taken);
    }
    let info = taken.info;
    match action.handler {
        IGNORE => None,
        DEFAULT if IGNORED & bit(info.signal) != 0 => None,
        DEFAULT if STOPS & bit(info.signal) != 0 => {
            stop::announce(thread, info.signal);
            None
        }
        DEFAULT => Some(exit::end_group(thread, info.signal)),
        _ => {
            restart(thread, frame, Some(action.flags));
            match frame::push(thread, frame, &taken, &action) {
                Ok(()) => None,
                // No stack to tell the handler on.
                Err(_) => Some(exit::end_group(thread, SIGSEGV)),
            }
        }
    }
}

/// Takes the next signal that is not blocked, with what to do about it.
fn take(thread: &Thread) -> Option<(Taken, Action)> {
    let process = thread.process();
    let mut signals = process.signals.lock();
    let taken = thread.dequeue(&mut signals, !thread.mask())?;
    let signal = taken.info.signal;
    let action = signals.action(signal);
    if action.handler == DEFAULT && STOPS & bit(signal) != 0 {
        process.stop.begin(signal);
    }
    if action.handler > IGNORE && action.flags & SA_RESETHAND != 0 {
        signals.set_action(signal, Action::default());
    }
    drop(signals);
    Some((process.timers.delivered(taken), action))
}

impl Thread {
    /// Takes a pending signal of a set, without acting on it.
    pub fn take_of(&self, set: SigSet) -> Option<Taken> {
        let taken = self.dequeue(&mut self.process().signals.lock(), set)?;
        Some(self.process().timers.delivered(taken))
    }

    /// Notes that a call ended with `EINTR` that may be made again.
    pub fn note_restart(&self, number: u64, first: u64, when: Restart) {
        self.restart[0].store(first, Ordering::Relaxed);
        self.restart[1].store((number + 1) << 2 | when as u64, Ordering::Relaxed);
        self.kick();
    }

    /// Whether and when the call that was interrupted last is made again; known until signals have been delivered.
    pub fn restarts(&self) -> Option<Restart> {
        let note = self.restart[1].load(Ordering::Relaxed);
        let kinds = [Restart::Always, Restart::NoHandler, Restart::Block];
        kinds.into_iter().find(|kind| note != 0 && note & 3 == *kind as u64)
    }

    /// Notes that the call under way, which ends with `EINTR`, goes on from `block` after a stop.
    pub fn restart_with(&self, block: RestartBlock) {
        *self.restart_block.lock() = Some(block);
    }

    /// Whether the call under way has said what it goes on from.
    pub fn has_restart_block(&self) -> bool {
        self.restart_block.lock().is_some()
    }

    /// Lets signals that are about to be delivered find the current mask, and puts `before` back after them.
    pub fn restore_mask_later(&self, before: SigSet) {
        self.saved_mask.store(before & !UNBLOCKABLE, Ordering::Relaxed);
        self.has_saved_mask.store(true, Ordering::Relaxed);
        self.kick();
    }
}

/// When an interrupted call is made again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// Unless a handler runs that was installed without `SA_RESTART` (Linux: `ERESTARTSYS`).
    Always,
    /// Unless a handler runs (Linux: `ERESTARTNOHAND`).
    NoHandler,
    /// Unless a handler runs, and then with what the call left behind (Linux: `ERESTART_RESTARTBLOCK`).
    Block,
}

impl Restart {
    /// Linux's name for it, and what strace says of it.
    pub fn describe(self) -> &'static str {
        match self {
            Restart::Always => "ERESTARTSYS (To be restarted if SA_RESTART is set)",
            Restart::NoHandler => "ERESTARTNOHAND (To be restarted if no handler)",
            Restart::Block => "ERESTART_RESTARTBLOCK (Interrupted by signal)",
        }
    }
}

/// Number of `restart_syscall`.
const RESTART_SYSCALL: u64 = 128;

/// Lets user space make the interrupted call again, if there was one: before a handler with flags, or before none.
fn restart(thread: &Thread, frame: &mut TrapFrame, handler: Option<u64>) {
    let note = thread.restart[1].swap(0, Ordering::Relaxed);
    if note == 0 {
        return;
    }
    let (number, always) = ((note >> 2) - 1, note & 3 == Restart::Always as u64);
    if handler.is_none_or(|flags| always && flags & SA_RESTART != 0) {
        frame.x[0] = thread.restart[0].load(Ordering::Relaxed);
        frame.x[8] = if note & 3 == Restart::Block as u64 { RESTART_SYSCALL } else { number };
        frame.elr -= 4;
    } else {
        *thread.restart_block.lock() = None;
    }
}

/// Puts back the mask that a call replaced.
fn restore_mask(thread: &Thread) {
    if thread.has_saved_mask.swap(false, Ordering::Relaxed) {
        thread.set_mask(thread.saved_mask.load(Ordering::Relaxed));
    }
}
