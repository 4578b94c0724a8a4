//! Steps: the order in which a few tasks came to places of interest, written down; and the same order enforced.
//!
//! A task that is an actor takes a step wherever it comes to a meeting point or an event of the heaps' (and, on a machine
//! that was booted with `lastref.steps`, at each system call): its number and the place's name go on a list.
//!
//! To follow an order is to let one actor move at a time: the one whose number is next comes to its next place, and
//! stays there until its turn comes again. What was read and written between two places is then read and written in
//! turn too. What happens in the caches, and who of several CPUs gets a spinning lock, is not part of an order.
//!
//! `/sys/kernel/debug/lastref/steps` takes `record` and `follow ORDER` (an actor's digit for each step), which forget what
//! was before, `actor N` (the caller is actor N from now on), `leave` (it is none any more, which is its last step) and
//! `go` (no order is followed any more), and shows the steps, a line each, `N PLACE`. While nobody is an actor, to
//! come to a place costs one load.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use heaps::{Errno, Result};

use crate::sched;
use crate::sync::wait::Interruptible;
use crate::sync::{IrqLock, WaitQueue, order};
use crate::syscall::{known, nr};

/// The most steps that are kept; later ones are lost.
const MOST: usize = 512;
/// The most actors at a time.
const ACTORS: usize = 8;
/// Nanoseconds between two looks of a waiting actor: a report frees all, and cannot wake them.
const LOOK: u64 = 2_000_000;

/// A place, and whether it is the beginning of a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Step {
    actor: u8,
    place: &'static str,
    call: bool,
}

struct Steps {
    actors: ArrayVec<(u32, u8), ACTORS>,
    taken: ArrayVec<Step, MOST>,
    /// Whose step comes when; empty where no order is followed.
    order: ArrayVec<u8, MOST>,
    next: usize,
}

static STEPS: IrqLock<Steps, { order::STEPS }> = IrqLock::new(Steps {
    actors: ArrayVec::new_const(),
    taken: ArrayVec::new_const(),
    order: ArrayVec::new_const(),
    next: 0,
});
static TURN: WaitQueue = WaitQueue::new();
/// Whether somebody is an actor.
static ON: AtomicBool = AtomicBool::new(false);
/// Whether system calls are steps.
static CALLS: AtomicBool = AtomicBool::new(false);

impl Steps {
    fn actor(&self, task: u32) -> Option<u8> {
        self.actors.iter().find(|(tid, _)| *tid == task).map(|(_, actor)| *actor)
    }

    /// Whether nobody else's step has to come first.
    fn is_turn_of(&self, actor: u8) -> bool {
        self.order.get(self.next).is_none_or(|next| *next == actor)
    }

    fn take(&mut self, step: Step) {
        if self.order.get(self.next) == Some(&step.actor) {
            self.next += 1;
        }
        let _ = self.taken.try_push(step);
    }
}

/// From here on system calls are steps. At boot.
pub fn trace_calls() {
    CALLS.store(true, Ordering::Relaxed);
}

/// Whether system calls are steps.
#[inline]
pub fn traces_calls() -> bool {
    CALLS.load(Ordering::Relaxed)
}

/// Whether anybody records an order or follows one.
#[inline]
pub fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The caller has come to a place. Where an order is followed it may sleep here, unless it holds a spinning lock.
#[inline]
pub fn arrive(place: &'static str) {
    if are_on() {
        come(place, false);
    }
}

/// The caller makes system call `number`. Calls in which an actor only waits for others are no steps: how often it makes
/// them depends on the time it takes.
#[inline]
pub fn call(number: u64) {
    if are_on() && !matches!(number, nr::NANOSLEEP | nr::SCHED_YIELD | nr::WAIT4) {
        come(known::of(number).unwrap_or("unknown"), true);
    }
}

#[cold]
#[inline(never)]
fn come(place: &'static str, call: bool) {
    let Some(actor) = STEPS.lock().actor(sched::current_tid()) else { return };
    let may_sleep = !order::holds_spinning();
    if may_sleep {
        until_turn(actor);
    }
    STEPS.lock().take(Step { actor, place, call });
    if may_sleep {
        TURN.wake_all();
        until_turn(actor);
    }
}

/// Sleeps until it is the actor's turn, or it is killed.
fn until_turn(actor: u8) {
    let turn = || STEPS.lock().is_turn_of(actor).then_some(());
    loop {
        let deadline = crate::arch::now_ns() + LOOK;
        match TURN.wait_with(Interruptible::Killable, Some(deadline), turn) {
            Err(Errno::ETIMEDOUT) => {}
            Ok(()) | Err(_) => return,
        }
    }
}

/// Something was reported, on behalf of the current task: a step, and from here on everybody goes on. From any context.
pub fn reported() {
    if ON.load(Ordering::Relaxed) {
        let task = sched::current_tid();
        let mut steps = STEPS.lock();
        if let Some(actor) = steps.actor(task) {
            steps.take(Step { actor, place: "report", call: false });
        }
        steps.order.clear();
    }
}

/// Does what was written to the file. `EINVAL`, `E2BIG` for too many actors or too long an order.
pub fn command(text: &str) -> Result<()> {
    let mut words = text.split_ascii_whitespace();
    let (verb, argument) = (words.next(), words.next());
    match (verb, argument, words.next()) {
        (Some("record"), None, None) => begin(""),
        (Some("follow"), Some(order), None) => begin(order),
        (Some("actor"), Some(number), None) => enlist(digit(number.as_bytes())?),
        (Some("leave"), None, None) => {
            leave();
            Ok(())
        }
        (Some("go"), None, None) => {
            STEPS.lock().order.clear();
            TURN.wake_all();
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

fn digit(text: &[u8]) -> Result<u8> {
    match text {
        [digit @ b'0'..=b'9'] => Ok(digit - b'0'),
        _ => Err(Errno::EINVAL),
    }
}

fn begin(text: &str) -> Result<()> {
    let mut order = ArrayVec::new();
    for byte in text.bytes() {
        order.try_push(digit(&[byte])?).map_err(|_| Errno::E2BIG)?;
    }
    ON.store(false, Ordering::Relaxed);
    let mut steps = STEPS.lock();
    steps.actors.clear();
    steps.taken.clear();
    steps.next = 0;
    steps.order = order;
    Ok(())
}

fn enlist(actor: u8) -> Result<()> {
    let task = sched::current_tid();
    let mut steps = STEPS.lock();
    steps.actors.retain(|(tid, _)| *tid != task);
    steps.actors.try_push((task, actor)).map_err(|_| Errno::E2BIG)?;
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

fn leave() {
    let task = sched::current_tid();
    let Some(actor) = STEPS.lock().actor(task) else { return };
    until_turn(actor);
    let mut steps = STEPS.lock();
    steps.take(Step { actor, place: "end", call: false });
    steps.actors.retain(|(tid, _)| *tid != task);
    drop(steps);
    TURN.wake_all();
}

/// A line for each step. `ENOMEM`.
pub fn show() -> Result<String> {
    let len = STEPS.lock().taken.len();
    let mut text = String::new();
    text.try_reserve(len * 24).map_err(|_| Errno::ENOMEM)?;
    // One by one: a copy of the list is too large for the stack.
    let taken = (0..len).map_while(|at| STEPS.lock().taken.get(at).copied());
    for Step { actor, place, call } in taken {
        text += &format!("{actor} {}{place}\n", if call { "call " } else { "" });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the list is the machine's.
    #[test]
    fn an_actor_s_steps_are_written_down_and_nobody_else_s() {
        arrive("open");
        for wrong in
            ["", "record 1", "follow", "follow 0a", "follow 01 1", "actor", "actor x", "actor 10", "x"]
        {
            assert_eq!(command(wrong), Err(Errno::EINVAL), "{wrong:?}");
        }
        assert_eq!(command(&format!("follow {}", "0".repeat(MOST + 1))), Err(Errno::E2BIG));
        command("record").unwrap();
        arrive("open");
        assert_eq!(show().unwrap(), "");
        command("actor 3").unwrap();
        arrive("open");
        call(nr::IOCTL);
        call(nr::NANOSLEEP);
        command("leave").unwrap();
        arrive("open");
        assert_eq!(show().unwrap(), "3 open\n3 call ioctl\n3 end\n");
        // An order with nobody else in it keeps nobody waiting.
        command("follow 33").unwrap();
        command("actor 3").unwrap();
        arrive("found");
        reported();
        arrive("open");
        assert_eq!(show().unwrap(), "3 found\n3 report\n3 open\n");
        command("record").unwrap();
    }
}
