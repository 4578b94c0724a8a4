//! `/bin/eventtest`: eventfd, epoll, and polling under a mask. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::string::String;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::{meet, read_text};
use userland::rt::abi::nr;
use userland::rt::signal::{self, Action};
use userland::rt::tap::Tap;
use userland::rt::time::MS;
use userland::rt::{Arg, Args, Fd, Scratch, abi, file, process, syscall, time};

userland::program!(run);

const IN: u64 = 1;
const OUT: u64 = 4;
const HUP: u64 = 0x10;
const EXCLUSIVE: u64 = 1 << 28;
const ONESHOT: u64 = 1 << 30;
const EDGE: u64 = 1 << 31;
const ADD: i64 = 1;
const DEL: i64 = 2;
const MOD: i64 = 3;
const SEMAPHORE: i64 = 1;
const NONBLOCK: i64 = abi::O_NONBLOCK as i64;
const SIGUSR1: u8 = 10;
const SIGCONT: u8 = 18;
const SIGSTOP: u8 = 19;

fn run(_: Args) -> i32 {
    let mut tap = Tap::new();
    let Ok(page) = Scratch::new() else {
        tap.ok(false, "a page");
        return tap.done();
    };
    counters(&mut tap, &page);
    waiting(&mut tap, &page);
    refusals(&mut tap, &page);
    readiness(&mut tap, &page);
    closing(&mut tap, &page);
    nesting(&mut tap, &page);
    between_processes(&mut tap, &page);
    masks(&mut tap, &page);
    stops(&mut tap, &page);
    tap.done()
}

fn fd(raw: &Fd) -> Arg<'static> {
    Arg::Int(raw.raw().into())
}

fn counter(count: i64, flags: i64) -> Result<Fd> {
    syscall(nr::EVENTFD2, &[Arg::Int(count), Arg::Int(flags)]).map(|fd| Fd::from_raw(fd as i32))
}

fn epoll() -> Result<Fd> {
    syscall(nr::EPOLL_CREATE1, &[Arg::Int(0)]).map(|fd| Fd::from_raw(fd as i32))
}

fn add(page: &Scratch, count: &Fd, n: u64) -> Result<usize> {
    page.call(nr::WRITE, &[fd(count), page.put(0, &[n]), Arg::Int(8)])
}

fn take(page: &Scratch, count: &Fd) -> Result<u64> {
    page.call(nr::READ, &[fd(count), page.at(0), Arg::Int(8)])?;
    Ok(page.get::<1>(0)[0])
}

fn control(page: &Scratch, ep: &Fd, op: i64, which: &Fd, events: u64) -> Result<()> {
    let event = page.put(16, &[events, events | 7 << 32]);
    page.call(nr::EPOLL_CTL, &[fd(ep), Arg::Int(op), fd(which), event]).map(drop)
}

/// The events of up to two files; a timeout in milliseconds.
fn wait(page: &Scratch, ep: &Fd, timeout: i64) -> Result<(usize, [u64; 2])> {
    page.put(64, &[0; 4]);
    let args = [fd(ep), page.at(64), Arg::Int(2), Arg::Int(timeout), Arg::Int(0), Arg::Int(8)];
    let count = page.call(nr::EPOLL_PWAIT, &args)?;
    let [first, _, second, _] = page.get(64);
    Ok((count, [first & 0xffff_ffff, second & 0xffff_ffff]))
}

fn now(page: &Scratch, ep: &Fd) -> Result<(usize, [u64; 2])> {
    wait(page, ep, 0)
}

fn pipe(page: &Scratch) -> Result<(Fd, Fd)> {
    page.call(nr::PIPE2, &[page.at(0), Arg::Int(0)])?;
    let [both] = page.get(0);
    Ok((Fd::from_raw(both as i32), Fd::from_raw((both >> 32) as i32)))
}

/// A process that sleeps until there is something to read.
fn waiting(tap: &mut Tap, page: &Scratch) {
    let Ok((reader, writer)) = pipe(page) else {
        tap.ok(false, "a pipe");
        return;
    };
    let reads = || i32::from(file::read(reader.raw(), &mut [0]) != Ok(1));
    let Ok(pid) = process::spawn(reads) else {
        tap.ok(false, "a reader");
        return;
    };
    while !meet::doing(pid).is_ok_and(|doing| doing.is_some_and(|doing| doing.contains(" asleep"))) {
        let _ = time::sleep(MS);
    }
    tap.is(file::write_all(writer.raw(), b"x"), Ok(()), "a byte is written that somebody sleeps for");
    tap.is(process::wait(pid).map(|(_, status)| status.code()), Ok(0), "which wakes who reads it");
}

fn fdinfo(fd: &Fd) -> String {
    read_text(&format!("/proc/self/fdinfo/{}", fd.raw())).unwrap_or_default()
}

fn counters(tap: &mut Tap, page: &Scratch) {
    let (Ok(plain), Ok(semaphore)) = (counter(3, NONBLOCK), counter(2, NONBLOCK | SEMAPHORE)) else {
        tap.ok(false, "eventfd2");
        return;
    };
    tap.is(take(page, &plain), Ok(3), "a counter starts where it was told, and is taken whole");
    tap.is(take(page, &plain), Err(Errno::EAGAIN), "an empty one: EAGAIN");
    let taken = [(); 3].map(|()| take(page, &semaphore));
    tap.is(taken, [Ok(1), Ok(1), Err(Errno::EAGAIN)], "a semaphore is taken by ones");
    tap.is(add(page, &plain, u64::MAX), Err(Errno::EINVAL), "adding 2^64-1: EINVAL");
    tap.is(add(page, &plain, u64::MAX - 1), Ok(8), "2^64-2 fits");
    tap.is(add(page, &plain, 1), Err(Errno::EAGAIN), "and nothing more: EAGAIN");
    tap.ok(fdinfo(&plain).contains("eventfd-count: fffffffffffffffe\n"), "fdinfo says the count");
    tap.is(take(page, &plain), Ok(u64::MAX - 1), "2^64-2 is taken");
    let short = page.call(nr::READ, &[fd(&plain), page.at(0), Arg::Int(7)]);
    tap.is(short, Err(Errno::EINVAL), "reading 7 bytes: EINVAL");
    let short = page.call(nr::WRITE, &[fd(&plain), page.at(0), Arg::Int(7)]);
    tap.is(short, Err(Errno::EINVAL), "writing 7 bytes: EINVAL");
    let bad = page.call(nr::WRITE, &[fd(&plain), Arg::Bad(8), Arg::Int(8)]);
    tap.is(bad, Err(Errno::EFAULT), "writing from nowhere: EFAULT");
    let at = page.call(nr::PREAD64, &[fd(&plain), page.at(0), Arg::Int(8), Arg::Int(0)]);
    tap.is(at, Err(Errno::ESPIPE), "pread64: ESPIPE");
    tap.is(counter(0, 2).err(), Some(Errno::EINVAL), "an unknown flag: EINVAL");
    let both = syscall(nr::EVENTFD2, &[Arg::Int(0), Arg::FdFlags]).map(|fd| Fd::from_raw(fd as i32));
    let cloexec = both.as_ref().map(|both| file::fcntl(both.raw(), abi::F_GETFD, 0));
    tap.is(cloexec.ok(), Some(Ok(abi::FD_CLOEXEC)), "EFD_CLOEXEC");
}

fn refusals(tap: &mut Tap, page: &Scratch) {
    let (Ok(ep), Ok(count)) = (epoll(), counter(0, NONBLOCK)) else {
        tap.ok(false, "epoll_create1");
        return;
    };
    let control = |op, which: &Fd, events| control(page, &ep, op, which, events);
    tap.is(control(MOD, &count, IN), Err(Errno::ENOENT), "MOD of what is not there: ENOENT");
    tap.is(control(DEL, &count, IN), Err(Errno::ENOENT), "DEL of what is not there: ENOENT");
    tap.is(control(ADD, &count, IN), Ok(()), "ADD");
    tap.is(control(ADD, &count, IN), Err(Errno::EEXIST), "ADD again: EEXIST");
    tap.is(control(9, &count, IN), Err(Errno::EINVAL), "an unknown operation: EINVAL");
    tap.is(control(MOD, &count, IN | EXCLUSIVE), Err(Errno::EINVAL), "MOD to EPOLLEXCLUSIVE: EINVAL");
    tap.is(control(ADD, &ep, IN), Err(Errno::EINVAL), "an epoll in itself: EINVAL");
    let null = Fd::open("/dev/null", abi::O_RDWR);
    let refused = null.map(|null| control(ADD, &null, IN));
    tap.is(refused.ok(), Some(Err(Errno::EPERM)), "/dev/null: EPERM");
    let directory = Fd::open("/", abi::O_RDONLY | abi::O_DIRECTORY).map(|root| control(ADD, &root, IN));
    tap.is(directory.ok(), Some(Err(Errno::EPERM)), "a directory: EPERM");
    let call = |args: &[Arg<'_>]| page.call(nr::EPOLL_CTL, args);
    let event = || page.put(16, &[IN, 0]);
    let gone = call(&[fd(&ep), Arg::Int(ADD), Arg::Int(999), event()]);
    tap.is(gone, Err(Errno::EBADF), "a closed descriptor: EBADF");
    let gone = call(&[Arg::Int(999), Arg::Int(ADD), fd(&count), event()]);
    tap.is(gone, Err(Errno::EBADF), "a closed epoll: EBADF");
    let other = call(&[fd(&count), Arg::Int(ADD), fd(&ep), event()]);
    tap.is(other, Err(Errno::EINVAL), "not an epoll: EINVAL");
    let bad = call(&[fd(&ep), Arg::Int(ADD), fd(&count), Arg::Bad(8)]);
    tap.is(bad, Err(Errno::EFAULT), "an event nowhere: EFAULT");
    let wait =
        |most, to| page.call(nr::EPOLL_PWAIT, &[fd(&ep), to, Arg::Int(most), Arg::Int(0), Arg::Int(0)]);
    tap.is(wait(0, page.at(64)), Err(Errno::EINVAL), "waiting for no events: EINVAL");
    tap.is(wait(-1, page.at(64)), Err(Errno::EINVAL), "waiting for -1: EINVAL");
    let _ = add(page, &count, 1);
    tap.is(wait(1, Arg::Bad(8)), Err(Errno::EFAULT), "events to nowhere: EFAULT");
    tap.is(wait(1, page.at(64)), Ok(1), "which loses none");
    let mask = [fd(&ep), page.at(64), Arg::Int(1), Arg::Int(0), page.at(0), Arg::Int(4)];
    tap.is(page.call(nr::EPOLL_PWAIT, &mask), Err(Errno::EINVAL), "a mask of 4 bytes: EINVAL");
    tap.is(page.call(nr::EPOLL_CREATE1, &[Arg::Int(1)]), Err(Errno::EINVAL), "an unknown flag: EINVAL");
    tap.is(page.call(nr::READ, &[fd(&ep), page.at(0), Arg::Int(8)]), Err(Errno::EINVAL), "read: EINVAL");
}

fn readiness(tap: &mut Tap, page: &Scratch) {
    let (Ok(ep), Ok(level), Ok(edge)) = (epoll(), counter(0, NONBLOCK), counter(0, NONBLOCK)) else { return };
    let _ = control(page, &ep, ADD, &level, IN);
    let _ = control(page, &ep, ADD, &edge, IN | EDGE);
    tap.is(now(page, &ep), Ok((0, [0; 2])), "nothing is ready");
    let _ = (add(page, &level, 1), add(page, &edge, 1));
    tap.is(now(page, &ep), Ok((2, [IN; 2])), "both are");
    tap.is(now(page, &ep), Ok((1, [IN, 0])), "the level stays, the edge is past");
    let _ = add(page, &edge, 1);
    tap.is(now(page, &ep).map(|(count, _)| count), Ok(2), "a second edge");
    let [_, data] = page.get(64);
    tap.is(data, IN | 7 << 32, "events carry their data");
    let info = fdinfo(&ep);
    let line = format!("tfd: {:8} events: {:8x} data: {:16x} ", level.raw(), IN | 0x18, IN | 7 << 32);
    tap.ok(info.contains(&line), "fdinfo lists what is watched");
    let _ = take(page, &level);
    tap.is(now(page, &ep), Ok((0, [0; 2])), "the level is gone when it is taken");
    let _ = control(page, &ep, MOD, &level, IN | OUT | ONESHOT);
    tap.is(now(page, &ep), Ok((1, [OUT, 0])), "MOD looks at once");
    tap.is(now(page, &ep), Ok((0, [0; 2])), "one shot");
    let _ = control(page, &ep, MOD, &level, OUT | ONESHOT);
    tap.is(now(page, &ep), Ok((1, [OUT, 0])), "loaded again");
    let start = time::now();
    tap.is(wait(page, &ep, 20), Ok((0, [0; 2])), "waiting in vain");
    tap.ok(time::now() - start >= 20 * MS, "takes as long as it was told");
    let timeout = page.put(96, &[0, 5_000_000]);
    let args = [fd(&ep), page.at(64), Arg::Int(1), timeout, Arg::Int(0), Arg::Int(8)];
    tap.is(page.call(nr::EPOLL_PWAIT2, &args), Ok(0), "epoll_pwait2 waits in vain");
}

fn closing(tap: &mut Tap, page: &Scratch) {
    let (Ok(ep), Ok(count)) = (epoll(), counter(1, NONBLOCK)) else { return };
    let _ = control(page, &ep, ADD, &count, IN);
    let again = file::dup(count.raw()).map(Fd::from_raw);
    drop(count);
    tap.is(now(page, &ep), Ok((1, [IN, 0])), "an open file is watched while any descriptor has it");
    drop(again);
    tap.is(now(page, &ep), Ok((0, [0; 2])), "and no longer than that");
    tap.ok(!fdinfo(&ep).contains("tfd:"), "fdinfo has forgotten it");
    if let Ok((reader, writer)) = pipe(page) {
        let _ = control(page, &ep, ADD, &reader, IN);
        tap.is(now(page, &ep), Ok((0, [0; 2])), "an empty pipe");
        drop(writer);
        tap.is(now(page, &ep), Ok((1, [HUP, 0])), "EPOLLHUP when the writer is gone");
    }
}

fn nesting(tap: &mut Tap, page: &Scratch) {
    let made: Result<alloc::vec::Vec<Fd>> = (0..6).map(|_| epoll()).collect();
    let (Ok(chain), Ok(count)) = (made, counter(0, NONBLOCK)) else { return };
    let link = |upper: usize, lower: usize| control(page, &chain[upper], ADD, &chain[lower], IN);
    let linked: Result<()> = (0..4).try_for_each(|i| link(i, i + 1));
    tap.is(linked, Ok(()), "five epolls in a chain");
    tap.is(link(4, 5), Err(Errno::ELOOP), "a sixth: ELOOP");
    tap.is(link(5, 0), Err(Errno::ELOOP), "at the other end: ELOOP");
    tap.is(link(4, 0), Err(Errno::ELOOP), "a circle: ELOOP");
    tap.is(link(1, 0), Err(Errno::ELOOP), "a circle of two: ELOOP");
    let exclusive = control(page, &chain[5], ADD, &chain[4], IN | EXCLUSIVE);
    tap.is(exclusive, Err(Errno::EINVAL), "EPOLLEXCLUSIVE of an epoll: EINVAL");
    let _ = control(page, &chain[4], ADD, &count, IN);
    tap.is(now(page, &chain[0]), Ok((0, [0; 2])), "nothing below");
    let _ = add(page, &count, 1);
    tap.is(now(page, &chain[0]), Ok((1, [IN, 0])), "what is ready below is ready above");
    let _ = take(page, &count);
    tap.is(now(page, &chain[0]), Ok((0, [0; 2])), "and no longer");
}

fn between_processes(tap: &mut Tap, page: &Scratch) {
    let (Ok(ep), Ok(there), Ok(back)) = (epoll(), counter(0, 0), counter(0, 0)) else { return };
    let _ = control(page, &ep, ADD, &back, IN);
    let child = process::spawn(|| {
        // A counter that blocks.
        let got = take(page, &there).unwrap_or(0);
        i32::from(add(page, &back, got * 2) != Ok(8))
    });
    let _ = add(page, &there, 21);
    tap.is(wait(page, &ep, -1), Ok((1, [IN, 0])), "epoll waits for another process");
    tap.is(take(page, &back), Ok(42), "which has answered");
    let ended = child.and_then(process::wait).map(|(_, status)| status.code());
    tap.is(ended, Ok(0), "and ended");
    let (Ok(first), Ok(second)) = (epoll(), epoll()) else { return };
    let watch = |ep: &Fd| control(page, ep, ADD, &back, IN | EDGE | EXCLUSIVE);
    tap.is((watch(&first), watch(&second)), (Ok(()), Ok(())), "two watch exclusively");
    let _ = add(page, &back, 1);
    let told = now(page, &first).map_or(0, |(n, _)| n) + now(page, &second).map_or(0, |(n, _)| n);
    tap.is(told, 2, "where nobody waits both are told");
}

/// Sends SIGUSR1 to this process from another, soon.
fn signal_soon() -> Result<i32> {
    let me = process::id();
    process::spawn(move || {
        let _ = time::sleep(30 * MS);
        i32::from(process::kill(me, SIGUSR1).is_err())
    })
}

fn masks(tap: &mut Tap, page: &Scratch) {
    let usr1 = 1 << (SIGUSR1 - 1);
    let Ok(count) = counter(0, 0) else { return };
    tap.is(signal::act(SIGUSR1, Action::Count { restart: false }), Ok(()), "a handler for SIGUSR1");
    let polls = |mask: u64| {
        page.put(128, &[count.raw() as u64 | IN << 32]);
        let mask = page.put(160, &[mask]);
        page.call(nr::PPOLL, &[page.at(128), Arg::Int(1), Arg::Int(0), mask, Arg::Int(8)])
    };
    let _ = (signal::block(usr1), process::kill(process::id(), SIGUSR1));
    tap.is(signal::counted(SIGUSR1), 0, "blocked, it is pending");
    tap.is(polls(0), Err(Errno::EINTR), "ppoll with it open: EINTR");
    tap.is(signal::counted(SIGUSR1), 1, "its handler has run");
    let _ = process::kill(process::id(), SIGUSR1);
    tap.is(signal::counted(SIGUSR1), 0, "after which it is blocked again");
    page.put(160, &[0]);
    let packed = page.put(192, &[page.address(160), 8]);
    let args = [Arg::Int(0), Arg::Int(0), Arg::Int(0), Arg::Int(0), Arg::Int(0), packed];
    tap.is(page.call(nr::PSELECT6, &args), Err(Errno::EINTR), "pselect6 with it open: EINTR");
    tap.is(signal::counted(SIGUSR1), 1, "its handler has run");
    let _ = add(page, &count, 1);
    let _ = process::kill(process::id(), SIGUSR1);
    tap.is(polls(0), Ok(1), "what is ready comes before what is pending");
    tap.is(signal::counted(SIGUSR1), 0, "which stays so");
    let _ = (take(page, &count), signal::block(0));
    tap.is(signal::counted(SIGUSR1), 1, "until it is open");
    let Ok(ep) = epoll() else { return };
    let sender = signal_soon();
    tap.is(wait(page, &ep, -1), Err(Errno::EINTR), "a signal ends epoll_pwait");
    let _ = sender.and_then(process::wait);
    let sender = signal_soon();
    let read = take(page, &count);
    tap.is(read, Err(Errno::EINTR), "a read that may not be made again: EINTR");
    let _ = sender.and_then(process::wait);
}

/// Stops this process from another, soon, and lets it go on.
fn stop_soon() -> Result<i32> {
    let me = process::id();
    process::spawn(move || {
        let _ = time::sleep(20 * MS);
        let _ = process::kill(me, SIGSTOP);
        let _ = time::sleep(20 * MS);
        i32::from(process::kill(me, SIGCONT).is_err())
    })
}

fn stops(tap: &mut Tap, page: &Scratch) {
    // In a child: who is stopped must have somebody to let it go on.
    let polled = process::in_child(|| {
        let Ok(count) = counter(0, 0) else { return 1 };
        page.put(128, &[count.raw() as u64 | IN << 32]);
        let timeout = page.put(160, &[0, 100 * MS]);
        let (start, stopper) = (time::now(), stop_soon());
        let polled = page.call(nr::PPOLL, &[page.at(128), Arg::Int(1), timeout, Arg::Int(0), Arg::Int(8)]);
        let waited = time::now() - start;
        let _ = stopper.and_then(process::wait);
        let left = page.get::<2>(160);
        match (polled, waited >= 100 * MS, left) {
            (Ok(0), true, [0, 0]) => 0,
            (Err(_), _, _) => 2,
            (_, false, _) => 3,
            _ => 4,
        }
    });
    tap.is(polled.map(|status| status.code()), Ok(0), "ppoll goes on after a stop, and says what was left");
    let waited = process::in_child(|| {
        let (Ok(ep), stopper) = (epoll(), stop_soon()) else { return 1 };
        let waited = wait(page, &ep, 1000);
        let _ = stopper.and_then(process::wait);
        i32::from(waited != Err(Errno::EINTR))
    });
    tap.is(waited.map(|status| status.code()), Ok(0), "epoll_pwait does not");
}
