//! `/bin/timetest`: clocks, CPU time, sleeping, timers in their forms, and signals as files. TAP.
//!
//! Nothing is held to a time but by bounds that a busy machine cannot break: at least, and in which order.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::read_text;
use userland::rt::abi::nr;
use userland::rt::signal::{self, Action};
use userland::rt::tap::Tap;
use userland::rt::time::MS;
use userland::rt::{Arg, Args, Fd, Scratch, abi, process, syscall, time};

userland::program!(run);

const REALTIME: i64 = 0;
const MONOTONIC: i64 = 1;
const PROCESS: i64 = 2;
const THREAD: i64 = 3;
const RAW: i64 = 4;
const NS: u64 = 1_000_000_000;
/// 1 January 2020.
const LONG_AGO: u64 = 1_577_836_800 * NS;

const SIGUSR1: u8 = 10;
const SIGALRM: u8 = 14;
const SIGCHLD: u8 = 17;
const SIGCONT: u8 = 18;
const SIGSTOP: u8 = 19;
const SIGVTALRM: u8 = 26;
const SIGPROF: u8 = 27;
const SIGRT: u8 = 40;
const SI_TIMER: i32 = -2;

fn run(_: Args) -> i32 {
    let mut tap = Tap::new();
    let Ok(page) = Scratch::new() else {
        tap.ok(false, "a page");
        return tap.done();
    };
    clocks(&mut tap, &page);
    setting(&mut tap, &page);
    cpu_time(&mut tap, &page);
    sleeping(&mut tap, &page);
    intervals(&mut tap, &page);
    timer_files(&mut tap, &page);
    signal_files(&mut tap, &page);
    made_timers(&mut tap, &page);
    made_refusals(&mut tap, &page);
    tap.done()
}

fn bit(signal: u8) -> u64 {
    1 << (signal - 1)
}

fn fd(raw: &Fd) -> Arg<'static> {
    Arg::Int(raw.raw().into())
}

fn spec(ns: u64) -> [u64; 2] {
    [ns / NS, ns % NS]
}

fn ns([sec, nsec]: [u64; 2]) -> u64 {
    sec * NS + nsec
}

fn clock(page: &Scratch, id: i64) -> Result<u64> {
    page.call(nr::CLOCK_GETTIME, &[Arg::Int(id), page.at(0)])?;
    Ok(ns(page.get(0)))
}

/// Uses the CPU until the clock of this process says it has been used so long.
fn burn(page: &Scratch, time: u64) {
    let start = clock(page, PROCESS).unwrap_or(0);
    while clock(page, PROCESS).is_ok_and(|now| now < start + time) {}
}

fn clocks(tap: &mut Tap, page: &Scratch) {
    for (id, name) in [
        (REALTIME, "REALTIME"),
        (MONOTONIC, "MONOTONIC"),
        (PROCESS, "PROCESS_CPUTIME_ID"),
        (THREAD, "THREAD_CPUTIME_ID"),
        (RAW, "MONOTONIC_RAW"),
        (5, "REALTIME_COARSE"),
        (6, "MONOTONIC_COARSE"),
        (7, "BOOTTIME"),
    ] {
        let readings = [(); 4].map(|()| clock(page, id).unwrap_or(0));
        tap.ok(readings[0] > 0 && readings.is_sorted(), format_args!("CLOCK_{name} goes forward"));
    }
    let today = clock(page, REALTIME);
    tap.ok(today.is_ok_and(|now| now > LONG_AGO), "the time of day is of these days");
    let both = (clock(page, 5), clock(page, REALTIME));
    tap.ok(matches!(both, (Ok(coarse), Ok(fine)) if coarse <= fine), "the coarse clock is behind");
    let resolution = |id| -> Result<u64> {
        page.call(nr::CLOCK_GETRES, &[Arg::Int(id), page.at(0)])?;
        Ok(ns(page.get(0)))
    };
    tap.is([REALTIME, MONOTONIC, PROCESS].map(resolution), [Ok(1); 3], "their resolution is 1 ns");
    tap.ok(resolution(6).is_ok_and(|step| (MS..=10 * MS).contains(&step)), "the coarse one's is a tick");
    tap.is(clock(page, 10), Err(Errno::EINVAL), "clock 10: EINVAL");
    tap.is(clock(page, 99), Err(Errno::EINVAL), "clock 99: EINVAL");
    let null = syscall(nr::CLOCK_GETRES, &[Arg::Int(MONOTONIC), Arg::Int(0)]);
    tap.is(null, Ok(0), "clock_getres to nowhere");
    let of = |pid: i32| clock(page, !i64::from(pid) << 3 | 2);
    let before = clock(page, PROCESS);
    let own = of(process::id());
    let readings = [before, own, clock(page, PROCESS)].map(|reading| reading.unwrap_or(0));
    tap.ok(readings[0] > 0 && readings.is_sorted(), "a process' clock by its number");
    tap.is(of(500), Err(Errno::EINVAL), "nobody's: EINVAL");
    let day = page.call(nr::GETTIMEOFDAY, &[page.at(0), page.at(16)]);
    let [sec, usec] = page.get(0);
    tap.ok(day == Ok(0) && usec < 1_000_000 && sec >= LONG_AGO / NS, "gettimeofday");
}

fn setting(tap: &mut Tap, page: &Scratch) {
    let set = |id, words: [u64; 2]| page.call(nr::CLOCK_SETTIME, &[Arg::Int(id), page.put(0, &words)]);
    let Ok(today) = clock(page, REALTIME) else { return };
    tap.is(set(MONOTONIC, spec(5)), Err(Errno::EINVAL), "setting MONOTONIC: EINVAL");
    tap.is(set(PROCESS, spec(5)), Err(Errno::EINVAL), "setting CPU time: EINVAL");
    tap.is(set(!0 << 3 | 2, spec(5)), Err(Errno::EPERM), "by a process' number: EPERM");
    tap.is(set(REALTIME, [1, NS]), Err(Errno::EINVAL), "a full 10^9 nanoseconds: EINVAL");
    tap.is(set(REALTIME, [u64::MAX, 0]), Err(Errno::EINVAL), "before 1970: EINVAL");
    let (timer, to) = (timerfd(REALTIME), today + 3600 * NS);
    // ABSTIME and CANCEL_ON_SET.
    let armed = timer.as_ref().map(|timer| set_timer_file(page, timer, 3, to + 3600 * NS, 0));
    tap.is(armed.ok(), Some(Ok(())), "a timer that setting the clock cancels");
    tap.is(set(REALTIME, spec(to)), Ok(0), "setting REALTIME");
    tap.ok(clock(page, REALTIME).is_ok_and(|now| now >= to), "it is what it was set to");
    if let Ok(timer) = &timer {
        tap.is(expirations(page, timer), Err(Errno::ECANCELED), "reading the timer: ECANCELED");
        tap.is(expirations(page, timer), Err(Errno::EAGAIN), "once");
    }
    let back = page.call(nr::SETTIMEOFDAY, &[page.put(0, &[today / NS, 0]), Arg::Int(0)]);
    tap.is(back, Ok(0), "settimeofday");
    let now = clock(page, REALTIME);
    tap.ok(now.is_ok_and(|now| now >= today / NS * NS && now < to), "which takes it back");
}

/// What getrusage says: user and system time in nanoseconds.
fn rusage(page: &Scratch, who: i64) -> Result<[u64; 2]> {
    page.call(nr::GETRUSAGE, &[Arg::Int(who), page.at(0)])?;
    let [user_s, user_us, system_s, system_us] = page.get(0);
    Ok([user_s * NS + user_us * 1000, system_s * NS + system_us * 1000])
}

fn cpu_time(tap: &mut Tap, page: &Scratch) {
    const SELF: i64 = 0;
    const CHILDREN: i64 = -1;
    let (before, start) = (rusage(page, SELF), clock(page, PROCESS));
    burn(page, 30 * MS);
    let (after, end) = (rusage(page, SELF), clock(page, PROCESS));
    tap.ok(matches!((start, end), (Ok(a), Ok(b)) if b - a >= 30 * MS), "the process' clock counts work");
    let grown = matches!((before, after), (Ok(a), Ok(b)) if b[0] + b[1] - a[0] - a[1] >= 29 * MS);
    tap.ok(grown, "so does getrusage");
    let idle = clock(page, THREAD);
    let _ = time::sleep(50 * MS);
    tap.ok(matches!((idle, clock(page, THREAD)), (Ok(a), Ok(b)) if b - a < 50 * MS), "sleep is not counted");
    let none = rusage(page, CHILDREN);
    let child = process::spawn(|| {
        burn(page, 40 * MS);
        0
    });
    let reaped = child.and_then(|pid| {
        page.put(256, &[0; 18]);
        page.call(nr::WAIT4, &[Arg::Int(pid.into()), Arg::Int(0), Arg::Int(0), page.at(256)])
    });
    let [user_s, user_us, system_s, system_us] = page.get(256);
    let told = (user_s + system_s) * NS + (user_us + system_us) * 1000;
    tap.ok(reaped.is_ok() && told >= 39 * MS, "wait4 tells a child's time");
    let grown =
        matches!((none, rusage(page, CHILDREN)), (Ok(a), Ok(b)) if b[0] + b[1] - a[0] - a[1] >= 39 * MS);
    tap.ok(grown, "which is the children's from then on");
    let ticks = page.call(nr::TIMES, &[page.at(0)]);
    let [_, _, child_user, child_system] = page.get::<4>(0);
    tap.ok(ticks.is_ok() && child_user + child_system >= 3, "times counts it in hundredths");
    tap.is(rusage(page, 2), Err(Errno::EINVAL), "getrusage of 2: EINVAL");
}

fn sleeping(tap: &mut Tap, page: &Scratch) {
    let sleep = |clock, flags, until: [u64; 2], left| {
        page.call(nr::CLOCK_NANOSLEEP, &[Arg::Int(clock), Arg::Int(flags), page.put(0, &until), left])
    };
    let start = time::now();
    tap.is(sleep(MONOTONIC, 1, spec(start + 20 * MS), Arg::Int(0)), Ok(0), "sleeping until a time");
    tap.ok(time::now() >= start + 20 * MS, "it has come");
    let today = clock(page, REALTIME).unwrap_or(0);
    tap.is(sleep(REALTIME, 1, spec(today + 20 * MS), Arg::Int(0)), Ok(0), "and one of the day");
    tap.ok(clock(page, REALTIME).is_ok_and(|now| now >= today + 20 * MS), "it has come, too");
    tap.is(sleep(MONOTONIC, 1, [0, 1], Arg::Int(0)), Ok(0), "a time that is past");
    tap.is(sleep(MONOTONIC, 0, [0, NS], Arg::Int(0)), Err(Errno::EINVAL), "10^9 ns: EINVAL");
    tap.is(sleep(RAW, 0, [0, 1], Arg::Int(0)), Err(Errno::EOPNOTSUPP), "by MONOTONIC_RAW: EOPNOTSUPP");
    tap.is(sleep(99, 0, [0, 1], Arg::Int(0)), Err(Errno::EINVAL), "by clock 99: EINVAL");
    let _ = signal::act(SIGUSR1, Action::Count { restart: true });
    let me = process::id();
    let sender = process::spawn(move || {
        let _ = time::sleep(30 * MS);
        i32::from(process::kill(me, SIGUSR1).is_err())
    });
    let slept = sleep(MONOTONIC, 0, [100, 0], page.put(32, &[0; 2]));
    tap.is(slept, Err(Errno::EINTR), "a handler ends a sleep: EINTR");
    tap.is(signal::counted(SIGUSR1), 1, "it has run");
    let left = ns(page.get(32));
    tap.ok((1..100 * NS).contains(&left), "what was left is told");
    let _ = sender.and_then(process::wait);
    let stopped = process::in_child(|| {
        let me = process::id();
        let stopper = process::spawn(move || {
            let _ = time::sleep(20 * MS);
            let _ = process::kill(me, SIGSTOP);
            let _ = time::sleep(20 * MS);
            i32::from(process::kill(me, SIGCONT).is_err())
        });
        let start = time::now();
        let slept = sleep(MONOTONIC, 0, [0, 100 * MS], Arg::Int(0));
        let enough = time::now() - start >= 100 * MS;
        let _ = stopper.and_then(process::wait);
        i32::from(slept != Ok(0)) + 2 * i32::from(!enough)
    });
    tap.is(stopped.map(|status| status.code()), Ok(0), "a stop does not end a sleep");
    tap.is(syscall(128, &[]), Err(Errno::EINTR), "restart_syscall of nothing: EINTR");
}

/// Waits for a signal of a set, which is blocked, for five seconds at most: signal, code, sender or timer, overrun,
/// value.
fn next_signal(page: &Scratch, set: u64) -> Result<(u8, i32, u32, u32, u64)> {
    let args = [page.put(320, &[set]), page.at(384), page.put(336, &[5, 0]), Arg::Int(8)];
    let signal = page.call(nr::RT_SIGTIMEDWAIT, &args)?;
    let [_, code, who, value] = page.get(384);
    Ok((signal as u8, code as i32, who as u32, (who >> 32) as u32, value))
}

fn intervals(tap: &mut Tap, page: &Scratch) {
    let set = |which, value_us: u64, interval_us: u64| {
        let words =
            [interval_us / 1_000_000, interval_us % 1_000_000, value_us / 1_000_000, value_us % 1_000_000];
        page.call(nr::SETITIMER, &[Arg::Int(which), page.put(0, &words), page.put(64, &[7; 4])])
    };
    let all = bit(SIGALRM) | bit(SIGVTALRM) | bit(SIGPROF);
    let _ = signal::block(all);
    tap.is(set(0, 10_000, 10_000), Ok(0), "setitimer");
    tap.is(page.get(64), [0u64; 4], "it was not set before");
    let first = next_signal(page, all);
    tap.is(first.map(|it| (it.0, it.1)), Ok((SIGALRM, 0x80)), "SIGALRM from the kernel");
    tap.is(next_signal(page, all).map(|it| it.0), Ok(SIGALRM), "again");
    tap.is(page.call(nr::GETITIMER, &[Arg::Int(0), page.at(0)]), Ok(0), "getitimer");
    let [interval_s, interval_us, value_s, value_us] = page.get(0);
    tap.is((interval_s, interval_us, value_s), (0, 10_000, 0), "says the interval");
    tap.ok((1..=10_000).contains(&value_us), "and what is left of it");
    tap.is(set(0, 0, 5), Ok(0), "stopping it");
    let _ = page.call(nr::GETITIMER, &[Arg::Int(0), page.at(0)]);
    tap.is(page.get(0), [0u64; 4], "forgets the interval");
    for (which, signal) in [(1, SIGVTALRM), (2, SIGPROF)] {
        let _ = signal::act(signal, Action::Count { restart: true });
        let _ = set(which, 20_000, 0);
        let _ = signal::block(all & !bit(signal));
        let mut rounds = 0u64;
        let mut told = 0;
        // A second of CPU time is enough for either.
        while told == 0 && rounds < 500 {
            burn(page, 2 * MS);
            (rounds, told) = (rounds + 1, signal::counted(signal));
        }
        tap.is(told, 1, format_args!("signal {signal} comes after CPU time"));
    }
    let _ = signal::block(all);
    tap.is(set(3, 1, 1), Err(Errno::EINVAL), "timer 3: EINVAL");
    tap.is(
        page.call(nr::SETITIMER, &[Arg::Int(0), page.put(0, &[0, 0, 0, 1_000_000]), Arg::Int(0)]),
        Err(Errno::EINVAL),
        "10^6 microseconds: EINVAL",
    );
    let _ = set(0, 5_000_000, 0);
    let child = process::in_child(|| {
        let _ = page.call(nr::GETITIMER, &[Arg::Int(0), page.at(0)]);
        i32::from(page.get(0) != [0u64; 4])
    });
    tap.is(child.map(|status| status.code()), Ok(0), "a child does not inherit it");
    let _ = set(0, 0, 0);
}

fn timerfd(clock: i64) -> Result<Fd> {
    let flags = Arg::Int(abi::O_NONBLOCK.into());
    syscall(nr::TIMERFD_CREATE, &[Arg::Int(clock), flags]).map(|fd| Fd::from_raw(fd as i32))
}

fn set_timer_file(page: &Scratch, timer: &Fd, flags: i64, value: u64, interval: u64) -> Result<()> {
    let [a, b] = spec(interval);
    let [c, d] = spec(value);
    let args = [fd(timer), Arg::Int(flags), page.put(0, &[a, b, c, d]), page.put(64, &[7; 4])];
    page.call(nr::TIMERFD_SETTIME, &args).map(drop)
}

fn expirations(page: &Scratch, timer: &Fd) -> Result<u64> {
    page.call(nr::READ, &[fd(timer), page.at(0), Arg::Int(8)])?;
    Ok(page.get::<1>(0)[0])
}

/// Polls one descriptor for input, for five seconds at most.
fn ready(page: &Scratch, file: &Fd) -> Result<usize> {
    let polled = page.put(448, &[file.raw() as u64 | 1 << 32]);
    page.call(nr::PPOLL, &[polled, Arg::Int(1), page.put(464, &[5, 0]), Arg::Int(0), Arg::Int(8)])
}

fn timer_files(tap: &mut Tap, page: &Scratch) {
    let Ok(timer) = timerfd(MONOTONIC) else {
        tap.ok(false, "timerfd_create");
        return;
    };
    tap.is(expirations(page, &timer), Err(Errno::EAGAIN), "it has not expired: EAGAIN");
    let start = time::now();
    tap.is(set_timer_file(page, &timer, 0, 20 * MS, 0), Ok(()), "timerfd_settime");
    tap.is(page.get(64), [0u64; 4], "it was not set before");
    tap.is(ready(page, &timer), Ok(1), "it becomes readable");
    tap.ok(time::now() - start >= 20 * MS, "not before its time");
    tap.is(expirations(page, &timer), Ok(1), "once");
    tap.is(expirations(page, &timer), Err(Errno::EAGAIN), "and no more: EAGAIN");
    let _ = set_timer_file(page, &timer, 0, 5 * MS, 5 * MS);
    let _ = time::sleep(30 * MS);
    tap.ok(expirations(page, &timer).is_ok_and(|count| count >= 5), "intervals are counted");
    tap.is(ready(page, &timer), Ok(1), "and go on");
    tap.is(page.call(nr::TIMERFD_GETTIME, &[fd(&timer), page.at(0)]), Ok(0), "timerfd_gettime");
    let [interval, left] = [ns(page.get(0)), ns(page.get(16))];
    tap.ok(interval == 5 * MS && (1..=5 * MS).contains(&left), "says interval and remainder");
    let _ = set_timer_file(page, &timer, 1, 1, 0);
    tap.is(ready(page, &timer), Ok(1), "a time that is past is now");
    let info = read_text(&alloc::format!("/proc/self/fdinfo/{}", timer.raw())).unwrap_or_default();
    tap.ok(info.contains("clockid: 1\nticks: 1\nsettime flags: 01\nit_value: (0, 0)\n"), "fdinfo says so");
    tap.is(set_timer_file(page, &timer, 4, 1, 0), Err(Errno::EINVAL), "an unknown flag: EINVAL");
    tap.is(set_timer_file(page, &timer, 0, 0, 0), Ok(()), "stopping it");
    tap.is(expirations(page, &timer), Err(Errno::EAGAIN), "forgets what it counted");
    let short = page.call(nr::READ, &[fd(&timer), page.at(0), Arg::Int(7)]);
    tap.is(short, Err(Errno::EINVAL), "reading 7 bytes: EINVAL");
    tap.is(timerfd(PROCESS).err(), Some(Errno::EINVAL), "by CPU time: EINVAL");
    let null = Fd::open("/dev/null", abi::O_RDWR).map(|null| set_timer_file(page, &null, 0, 1, 0));
    tap.is(null, Ok(Err(Errno::EINVAL)), "timerfd_settime of /dev/null: EINVAL");
}

fn signalfd(page: &Scratch, set: u64) -> Result<Fd> {
    let flags = Arg::Int(abi::O_NONBLOCK.into());
    let args = [Arg::Int(-1), page.put(0, &[set]), Arg::Int(8), flags];
    page.call(nr::SIGNALFD4, &args).map(|fd| Fd::from_raw(fd as i32))
}

fn signal_files(tap: &mut Tap, page: &Scratch) {
    let set = bit(SIGUSR1) | bit(SIGCHLD) | bit(SIGRT);
    let _ = signal::block(set);
    let Ok(signals) = signalfd(page, set) else {
        tap.ok(false, "signalfd4");
        return;
    };
    let read = |room: i64| page.call(nr::READ, &[fd(&signals), page.at(512), Arg::Int(room)]);
    tap.is(read(128), Err(Errno::EAGAIN), "no signal: EAGAIN");
    tap.is(read(127), Err(Errno::EINVAL), "no room: EINVAL");
    let _ = process::kill(process::id(), SIGUSR1);
    tap.is(ready(page, &signals), Ok(1), "a signal makes it readable");
    tap.is(read(256), Ok(128), "it is read");
    let [signal, _, sender] = page.get::<3>(512);
    let me = process::id() as u64;
    tap.is((signal as u32, sender as u32 as u64), (SIGUSR1.into(), me >> 32), "its number and code");
    let [code_pid] = page.get::<1>(520);
    tap.is(code_pid, me << 32, "and its sender");
    let child = process::spawn(|| 7);
    tap.is(ready(page, &signals), Ok(1), "a child's end makes it readable");
    tap.is(read(128), Ok(128), "which is read, too");
    let [number] = page.get::<1>(512);
    let [status] = page.get::<1>(552);
    tap.is((number as u32, status as u32), (SIGCHLD.into(), 7), "with the child's status");
    let _ = child.and_then(process::wait);
    for _ in 0..3 {
        let _ = process::kill(process::id(), SIGRT);
        let _ = process::kill(process::id(), SIGUSR1);
    }
    tap.is(read(1024), Ok(4 * 128), "real-time signals are queued, others are not");
    let bad = syscall(nr::SIGNALFD4, &[Arg::Int(-1), Arg::Bad(8), Arg::Int(4), Arg::Int(0)]);
    tap.is(bad, Err(Errno::EINVAL), "a set of 4 bytes: EINVAL");
    let other = page.call(nr::SIGNALFD4, &[Arg::Int(0), page.put(0, &[set]), Arg::Int(8), Arg::Int(0)]);
    tap.is(other, Err(Errno::EINVAL), "another file: EINVAL");
    let changed = page.call(nr::SIGNALFD4, &[fd(&signals), page.put(0, &[0]), Arg::Int(8), Arg::Int(0)]);
    tap.is(changed, Ok(signals.raw() as usize), "the set is changed");
    let _ = process::kill(process::id(), SIGUSR1);
    tap.is(read(128), Err(Errno::EAGAIN), "to nothing");
    tap.is(next_signal(page, set).map(|it| it.0), Ok(SIGUSR1), "the signal is still there");
}

/// A timer by a clock that sends a signal with a value; its number.
fn make(page: &Scratch, clock: i64, signal: u8, value: u64) -> Result<i64> {
    let event = page.put(0, &[value, signal.into(), 0, 0, 0, 0, 0, 0]);
    page.call(nr::TIMER_CREATE, &[Arg::Int(clock), event, page.at(96)])?;
    Ok((page.get::<1>(96)[0] as u32).into())
}

fn set_made(page: &Scratch, timer: i64, flags: i64, value: u64, interval: u64) -> Result<usize> {
    let [a, b] = spec(interval);
    let [c, d] = spec(value);
    let new = page.put(0, &[a, b, c, d]);
    page.call(nr::TIMER_SETTIME, &[Arg::Int(timer), Arg::Int(flags), new, page.put(64, &[7; 4])])
}

fn left(page: &Scratch, timer: i64) -> Result<[u64; 2]> {
    page.call(nr::TIMER_GETTIME, &[Arg::Int(timer), page.at(0)])?;
    Ok([ns(page.get(0)), ns(page.get(16))])
}

fn made_timers(tap: &mut Tap, page: &Scratch) {
    let set = bit(SIGRT) | bit(SIGALRM);
    let _ = signal::block(set);
    let Ok(timer) = make(page, MONOTONIC, SIGRT, 0x1234_5678_9abc) else {
        tap.ok(false, "timer_create");
        return;
    };
    tap.is(set_made(page, timer, 0, 10 * MS, 0), Ok(0), "timer_settime");
    tap.is(page.get(64), [0u64; 4], "it was not set before");
    let expected = (SIGRT, SI_TIMER, timer as u32, 0, 0x1234_5678_9abc);
    tap.is(next_signal(page, set), Ok(expected), "its signal carries number and value");
    tap.is(left(page, timer), Ok([0, 0]), "it is not set any more");
    let _ = set_made(page, timer, 0, 5 * MS, 5 * MS);
    let _ = time::sleep(40 * MS);
    let late = next_signal(page, set).map(|it| it.3);
    tap.ok(late.is_ok_and(|overrun| overrun >= 6), "what a late taker missed is counted");
    let counted = syscall(nr::TIMER_GETOVERRUN, &[Arg::Int(timer)]).map(|count| count as u32);
    tap.is(counted, late, "timer_getoverrun says it, too");
    tap.is(next_signal(page, set).map(|it| it.0), Ok(SIGRT), "it goes on");
    let now = time::now();
    let _ = set_made(page, timer, 1, now + 60 * NS, 0);
    tap.ok(left(page, timer).is_ok_and(|[_, left]| left > 0 && left <= 60 * NS), "an absolute time");
    let _ = set_made(page, timer, 1, 1, 0);
    tap.is(next_signal(page, set).map(|it| it.0), Ok(SIGRT), "one that is past is now");
    tap.is(syscall(nr::TIMER_DELETE, &[Arg::Int(timer)]), Ok(0), "timer_delete");
    tap.is(left(page, timer), Err(Errno::EINVAL), "it is gone: EINVAL");
    let plain = page.call(nr::TIMER_CREATE, &[Arg::Int(MONOTONIC), Arg::Int(0), page.at(96)]);
    let timer = i64::from(page.get::<1>(96)[0] as u32);
    let _ = set_made(page, timer, 0, 1, 0);
    let got = next_signal(page, set);
    let expected = (SIGALRM, SI_TIMER, timer as u32, 0, timer as u64);
    tap.is((plain, got), (Ok(0), Ok(expected)), "without an event it is SIGALRM with the number");
    let Ok(busy) = make(page, PROCESS, SIGRT, 5) else { return };
    let _ = set_made(page, busy, 0, 30 * MS, 0);
    let used = clock(page, PROCESS);
    let _ = signal::act(SIGRT, Action::Count { restart: true });
    let _ = signal::block(0);
    let mut told = 0;
    let mut rounds = 0;
    while told == 0 && rounds < 500 {
        burn(page, 2 * MS);
        (rounds, told) = (rounds + 1, signal::counted(SIGRT));
    }
    let spent = matches!((used, clock(page, PROCESS)), (Ok(a), Ok(b)) if b - a >= 29 * MS);
    tap.is((told, spent), (1, true), "a timer by CPU time");
}

fn made_refusals(tap: &mut Tap, page: &Scratch) {
    let create = |clock, words: [u64; 3]| {
        let event = page.put(0, &[words[0], words[1], words[2], 0, 0, 0, 0, 0]);
        page.call(nr::TIMER_CREATE, &[Arg::Int(clock), event, page.at(96)])
    };
    let tid = process::thread_id() as u64;
    let with = |signal: u64, notify: u64| [0, signal | notify << 32, tid];
    tap.is(create(99, with(10, 0)), Err(Errno::EINVAL), "by clock 99: EINVAL");
    tap.is(create(RAW, with(10, 0)), Err(Errno::EOPNOTSUPP), "by MONOTONIC_RAW: EOPNOTSUPP");
    tap.is(create(MONOTONIC, with(0, 0)), Err(Errno::EINVAL), "signal 0: EINVAL");
    tap.is(create(MONOTONIC, with(65, 0)), Err(Errno::EINVAL), "signal 65: EINVAL");
    tap.is(create(MONOTONIC, with(10, 3)), Err(Errno::EINVAL), "an unknown way to notify: EINVAL");
    tap.is(create(MONOTONIC, [0, 10 | 4 << 32, 500]), Err(Errno::EINVAL), "another's thread: EINVAL");
    let mine = create(MONOTONIC, with(SIGRT.into(), 4));
    let timer = i64::from(page.get::<1>(96)[0] as u32);
    tap.is(mine, Ok(0), "this thread");
    let _ = signal::block(bit(SIGRT));
    let _ = set_made(page, timer, 0, 1, 0);
    tap.is(next_signal(page, bit(SIGRT)).map(|it| it.0), Ok(SIGRT), "gets the signal");
    let silent = create(MONOTONIC, with(0, 1));
    let timer = i64::from(page.get::<1>(96)[0] as u32);
    tap.is(silent, Ok(0), "a silent timer");
    let _ = set_made(page, timer, 0, 1, 0);
    let _ = time::sleep(MS);
    tap.is(left(page, timer), Ok([0, 0]), "expires silently");
    tap.is(set_made(page, timer, 0, 1, NS * 2), Ok(0), "one that comes again");
    tap.ok(left(page, timer).is_ok_and(|[_, left]| left > 0), "goes on without anybody");
    let bad = page
        .call(nr::TIMER_SETTIME, &[Arg::Int(timer), Arg::Int(0), page.put(0, &[0, 0, 0, NS]), Arg::Int(0)]);
    tap.is(bad, Err(Errno::EINVAL), "10^9 nanoseconds: EINVAL");
    tap.is(syscall(nr::TIMER_DELETE, &[Arg::Int(4000)]), Err(Errno::EINVAL), "no such timer: EINVAL");
}
