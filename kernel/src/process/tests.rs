//! Threads that a host plays: futexes, signals, and who waits for whom.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::shared::{Directories, Files};
use super::signal::deliver::Restart;
use super::signal::{self, Action, DEFAULT, IGNORE, Info, SA_RESTART, SIGCHLD, SIGKILL, bit};
use super::thread::Parts;
use super::tree::Number;
use super::wait::{Changed, WEXITED, WNOHANG, Which};
use super::*;
use crate::arch::{USER_ARENA, now_ns};
use crate::mm::{AddressSpace, user};
use crate::sched;
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;
use crate::time::cpu::Usage;
use crate::vfs::{FdTable, FsContext, ramfs};

const WORD: u64 = USER_ARENA.0;
const USR1: u32 = 10;

fn thread(process: Arc<Process>, tid: u32, mm: &Arc<AddressSpace>) -> Thread {
    let (files, fs) = (Files::new(FdTable::new()), Directories::new(FsContext::new(ramfs::new(1))));
    Thread::new(Parts { tid, process, mm: mm.clone(), files, fs, mask: 0 })
}

/// A new process with one thread, under `parent`.
fn process(parent: u32) -> Thread {
    let mut number = Number::alloc().unwrap();
    while number.get() == tree::INIT {
        // Signals treat init as special; nobody gets its number here.
        let init = core::mem::replace(&mut number, Number::alloc().unwrap());
        core::mem::forget(init);
    }
    let pid = number.get();
    let mm = Arc::new(AddressSpace::new().unwrap());
    let thread = thread(Process::new(pid, Default::default(), Default::default()), pid, &mm);
    tree::lock().add_process(&mut number, thread.clone(), parent, SIGCHLD).unwrap();
    thread
}

fn on_host<T: Send + 'static>(
    thread: &Thread,
    f: impl FnOnce(&Thread) -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let thread = thread.clone();
    std::thread::spawn(move || {
        sched::play(Some(thread.clone()));
        f(&thread)
    })
}

fn sleeper(thread: &Thread, addr: u64, bits: u32) -> std::thread::JoinHandle<Result<()>> {
    on_host(thread, move |thread| futex::wait(thread, addr, true, 0, Some(now_ns() + 10_000_000_000), bits))
}

/// Wakes until as many woke as asked for; they may not sleep yet.
fn wake_all(thread: &Thread, addr: u64, count: usize, bits: u32) {
    let mut woken = 0;
    while woken < count {
        woken += futex::wake(thread, addr, true, 1, bits).unwrap();
        std::thread::yield_now();
    }
}

#[test]
fn a_futex_sleeps_only_while_the_word_is_as_expected() {
    let me = process(0);
    assert_eq!(futex::wait(&me, WORD, true, 1, None, !0), Err(Errno::EAGAIN));
    assert_eq!(futex::wait(&me, WORD, true, 0, Some(now_ns() + 1_000_000), !0), Err(Errno::ETIMEDOUT));
    assert_eq!(futex::wait(&me, WORD + 1, true, 0, None, !0), Err(Errno::EINVAL));
    assert_eq!(futex::wait(&me, WORD, true, 0, None, 0), Err(Errno::EINVAL));
    assert_eq!(futex::wait(&me, 8, true, 0, None, !0), Err(Errno::EFAULT));
    assert_eq!(futex::wake(&me, WORD, true, 1, !0), Ok(0), "nobody was left in the table");
}

#[test]
fn a_futex_wakes_those_whose_bits_are_meant() {
    let me = process(0);
    let (one, two) = (sleeper(&me, WORD, 1), sleeper(&me, WORD, 2));
    wake_all(&me, WORD, 1, 2);
    assert_eq!(two.join().unwrap(), Ok(()));
    assert_eq!(futex::wake(&me, WORD, true, 9, 2), Ok(0));
    wake_all(&me, WORD, 1, !0);
    assert_eq!(one.join().unwrap(), Ok(()));
}

#[test]
fn requeued_waiters_are_woken_where_they_went() {
    let me = process(0);
    let sleepers: Vec<_> = (0..3).map(|_| sleeper(&me, WORD, !0)).collect();
    let mut moved = 0;
    while moved < 3 {
        moved += futex::requeue(&me, WORD, WORD + 64, true, 0, 3, Some(0)).unwrap();
    }
    assert_eq!(futex::wake(&me, WORD, true, 9, !0), Ok(0));
    assert_eq!(futex::requeue(&me, WORD, WORD + 64, true, 0, 3, Some(7)), Err(Errno::EAGAIN));
    wake_all(&me, WORD + 64, 3, !0);
    assert!(sleepers.into_iter().all(|sleeper| sleeper.join().unwrap() == Ok(())));
}

#[test]
fn a_killed_thread_leaves_the_futex() {
    let me = process(0);
    let asleep = on_host(&me, |thread| {
        thread.set_task(sched::current());
        futex::wait(thread, WORD, true, 0, None, !0)
    });
    while me.task().is_none() {
        std::thread::yield_now();
    }
    signal::send_process(me.process(), Info { signal: SIGKILL, code: 0, detail: 0 });
    assert_eq!(asleep.join().unwrap(), Err(Errno::EINTR));
    assert!(me.is_killed());
    me.forget_task();
}

fn send(thread: &Thread, signal: u32) {
    signal::send_thread(thread, Info { signal, code: signal::SI_TKILL, detail: 5 });
}

fn act_on(thread: &Thread, frame: &mut TrapFrame) -> Option<u32> {
    signal::deliver::act(thread, frame)
}

#[test]
fn what_is_ignored_is_dropped_and_what_is_blocked_waits() {
    let me = process(0);
    let mut frame = TrapFrame::user(0x40_0000, WORD + 0x8000);
    send(&me, SIGCHLD);
    assert!(!me.has_work());
    me.set_mask(bit(USR1) | bit(SIGKILL));
    assert_eq!(me.mask(), bit(USR1), "nobody blocks SIGKILL");
    send(&me, USR1);
    assert!(!me.has_work() && me.pending() == bit(USR1));
    me.process().change_action(USR1, Some(Action { handler: IGNORE, ..Action::default() }));
    me.set_mask(0);
    assert_eq!(act_on(&me, &mut frame), None);
    me.process().change_action(USR1, Some(Action { handler: DEFAULT, ..Action::default() }));
    send(&me, USR1);
    assert_eq!(act_on(&me, &mut frame), Some(USR1));
    assert_eq!(me.process().group_exit(), Some(USR1));
}

#[test]
fn a_handler_gets_a_frame_and_comes_back_from_it() {
    let me = process(0);
    let action = Action { handler: 0x40_1000, flags: SA_RESTART, restorer: 0, mask: bit(12) };
    me.process().change_action(USR1, Some(action));
    let mut frame = TrapFrame::user(0x40_0004, WORD + 0x8000);
    (frame.x[0], frame.x[29], frame.spsr) = (!3, 7, 0x6000_0000);
    me.note_restart(63, 3, Restart::Always);
    send(&me, USR1);
    assert_eq!(act_on(&me, &mut frame), None);
    assert_eq!((frame.elr, frame.x[0], frame.x[30]), (0x40_1000, 10, image::SIGNAL_PAGE));
    assert_eq!(me.mask(), bit(USR1) | bit(12));
    assert!(frame.sp.is_multiple_of(16) && frame.sp < WORD + 0x8000);
    assert_eq!(user::read::<i32>(frame.x[1]), Ok(10));
    assert_eq!(user::read::<[u64; 2]>(frame.x[29]), Ok([7, 0]));
    assert_eq!(signal::frame::pop(&me, &mut frame), Ok(3), "the call is made again");
    assert_eq!((frame.elr, frame.x[8], frame.sp), (0x40_0000, 63, WORD + 0x8000));
    assert_eq!((me.mask(), frame.spsr, frame.x[29]), (0, 0x6000_0000, 7));
    frame.sp = WORD;
    assert_eq!(signal::frame::pop(&me, &mut frame), Err(Errno::EFAULT), "no frame there");
}

/// What the end of a process' only thread leaves.
fn end(thread: &Thread, status: u32) {
    let (held, last) = tree::lock().remove_thread(thread);
    assert!(held.is_some() && last);
    let mut tree = tree::lock();
    tree.orphan_children(thread.process().pid());
    tree.node_mut(thread.process().pid()).unwrap().status = Some(status);
}

#[test]
fn a_child_is_waited_for_once() {
    let me = process(0);
    assert_eq!(wait::wait(&me, Which::Any, WEXITED), Err(Errno::ECHILD));
    let child = process(me.process().pid());
    let pid = child.process().pid();
    assert_eq!(wait::wait(&me, Which::Pid(pid), WEXITED | WNOHANG), Ok(None));
    assert_eq!(wait::wait(&me, Which::Pid(pid + 1), WEXITED | WNOHANG), Err(Errno::ECHILD));
    end(&child, 0x700);
    let ended = Changed { pid, status: 0x700, usage: Usage::default() };
    assert_eq!(wait::wait(&me, Which::Any, WEXITED | wait::WNOWAIT), Ok(Some(ended)));
    assert_eq!(wait::wait(&me, Which::Group(me.process().pid()), WEXITED), Ok(Some(ended)));
    assert_eq!(wait::wait(&me, Which::Any, WEXITED), Err(Errno::ECHILD));
    assert!(tree::lock().node(pid).is_none());
}

#[test]
fn a_stopped_child_is_news_once_and_goes_on() {
    const TSTP: u32 = 20;
    let parent = process(0);
    let child = process(parent.process().pid());
    let (pid, mut frame) = (child.process().pid(), TrapFrame::user(0x40_0000, WORD + 0x8000));
    let look = |options| wait::wait(&parent, Which::Pid(pid), options | WNOHANG);
    send(&child, TSTP);
    assert_eq!(act_on(&child, &mut frame), None);
    assert!(!child.process().stop.is_on(), "nobody in its session could let it go on");
    tree::lock().node_mut(pid).unwrap().pgid = pid;
    send(&child, TSTP);
    assert_eq!(act_on(&child, &mut frame), None);
    assert!(child.process().stop.is_on() && child.has_work());
    assert_eq!(look(WEXITED), Ok(None));
    let stopped = Some(Changed { pid, status: stop::stopped_by(TSTP), usage: Usage::default() });
    assert_eq!(look(wait::WSTOPPED | wait::WNOWAIT), Ok(stopped));
    assert_eq!(look(wait::WSTOPPED), Ok(stopped));
    assert_eq!(look(wait::WSTOPPED), Ok(None), "it is news once");
    assert_eq!(act_on_elsewhere(&child), None, "it waits until it is let go on");
    assert!(!child.has_work());
    assert_eq!(
        look(wait::WCONTINUED),
        Ok(Some(Changed { pid, status: stop::CONTINUED, usage: Usage::default() }))
    );
}

/// Lets a stopped thread wait, and go on soon.
fn act_on_elsewhere(thread: &Thread) -> Option<u32> {
    let waiting = on_host(thread, |thread| {
        thread.set_task(sched::current());
        act_on(thread, &mut TrapFrame::user(0x40_0000, WORD + 0x8000))
    });
    while thread.task().is_none() {
        std::thread::yield_now();
    }
    send(thread, signal::SIGCONT);
    let outcome = waiting.join().unwrap();
    thread.forget_task();
    outcome
}

#[test]
fn going_on_and_stopping_take_each_other_back() {
    let me = process(0);
    me.set_mask(bit(20) | bit(signal::SIGCONT));
    send(&me, 20);
    send(&me, signal::SIGCONT);
    assert_eq!(me.pending(), bit(signal::SIGCONT), "it may be caught");
    send(&me, 20);
    assert_eq!(me.pending(), bit(20));
}

/// A sleep that a signal is to end. Where none wakes it, it finds that it is late: by then it sees what is pending.
fn sleep_on() -> Result<()> {
    let deadline = now_ns() + 10_000_000_000;
    let slept = WaitQueue::new().wait_with(Interruptible::Yes, Some(deadline), || None::<()>);
    if now_ns() < deadline { slept } else { Err(Errno::ETIMEDOUT) }
}

#[test]
fn no_signal_is_lost_between_a_mask_that_opens_and_the_sleep_that_follows() {
    const ROUNDS: usize = 60_000;
    let me = process(0);
    me.process().change_action(USR1, Some(Action { handler: 0x40_1000, ..Action::default() }));
    let round = Arc::new(AtomicUsize::new(0));
    let (sleeper, started) = (me.clone(), round.clone());
    let asleep = std::thread::spawn(move || {
        sched::play(Some(sleeper.clone()));
        sleeper.set_task(sched::current());
        for round in 1..=ROUNDS {
            sleeper.set_mask(bit(USR1));
            started.store(round, Ordering::SeqCst);
            (0..round % 512).for_each(|_| std::hint::spin_loop());
            sleeper.set_mask(0);
            assert_eq!(sleep_on(), Err(Errno::EINTR), "round {round}");
            assert!(sleeper.take_of(bit(USR1)).is_some());
        }
    });
    for next in 1..=ROUNDS {
        while round.load(Ordering::SeqCst) < next && !asleep.is_finished() {
            std::hint::spin_loop();
        }
        signal::send_process(me.process(), Info { signal: USR1, code: 0, detail: 0 });
    }
    asleep.join().unwrap();
    me.forget_task();
}

/// Two threads of a process, of which the second sleeps while the first, which a signal was given to, does `what`.
fn second_takes_after(what: impl FnOnce(&Thread)) {
    let first = process(0);
    let mut number = Number::alloc().unwrap();
    let second = thread(first.process().clone(), number.get(), &first.mm().unwrap());
    tree::lock().add_thread(&mut number, second.clone()).unwrap();
    first.process().change_action(USR1, Some(Action { handler: 0x40_1000, ..Action::default() }));
    let asleep = on_host(&second, |thread| {
        thread.set_task(sched::current());
        sleep_on()
    });
    while second.task().is_none() {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    signal::send_process(first.process(), Info { signal: USR1, code: 0, detail: 0 });
    what(&first);
    assert_eq!(asleep.join().unwrap(), Err(Errno::EINTR));
    second.forget_task();
}

#[test]
fn what_a_thread_was_to_take_and_blocks_another_takes() {
    second_takes_after(|first| first.set_mask(bit(USR1)));
}

#[test]
fn what_a_thread_was_to_take_before_it_ended_another_takes() {
    second_takes_after(|first| {
        drop(tree::lock().remove_thread(first));
        first.pass_on(!first.mask());
    });
}
