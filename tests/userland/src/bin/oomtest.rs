//! `/bin/oomtest`: who is killed where memory runs out, and that whoever is left goes on. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::tidy::nothing_left;
use userland::guest::{self, oracle};
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, Status, abi, file, job, process, time};

userland::program!(run);

const MIB: usize = 1 << 20;
const KILLED: Result<Option<Status>> = Ok(Some(Status::Killed(abi::SIGKILL)));
const EXITED: Result<Status> = Ok(Status::Exited(0));

fn run(_args: Args) -> i32 {
    let mut tap = Tap::new();
    settings(&mut tap);
    // What the first killing leaves in tables that stay is no leak.
    the_largest_goes(&mut Tap::rehearsal());
    oracle::warm_up();
    let before = oracle::settled_counts();
    the_largest_goes(&mut tap);
    into_a_call(&mut tap);
    the_protected_stays(&mut tap);
    the_offered_goes_first(&mut tap);
    many_at_once(&mut tap);
    nothing_left(&mut tap, before, "all memory came back");
    tap.done()
}

/// A process that holds memory until it is killed.
struct Holder {
    pid: i32,
}

impl Holder {
    /// One that has touched so many bytes, and says this of itself.
    fn new(bytes: usize, adj: i32) -> Result<Holder> {
        let (from, to) = job::pipe()?;
        let pid = process::spawn(|| {
            let pages = unreserved(bytes).and_then(|pages| set_adj(adj).map(|()| pages));
            let Ok(pages) = pages else { return 1 };
            pages.touch();
            let _ = file::write(to.raw(), b"+");
            loop {
                let _ = time::sleep(1 << 40);
            }
        })?;
        drop(to);
        match file::read(from.raw(), &mut [0])? {
            1 => Ok(Holder { pid }),
            _ => Err(Errno::ENOMEM),
        }
    }

    /// How it ended, if it did; it ends anyway.
    fn end(self) -> Result<Option<Status>> {
        let ended = process::poll(self.pid)?;
        if ended.is_none() {
            process::kill(self.pid, abi::SIGKILL)?;
            process::wait(self.pid)?;
        }
        Ok(ended)
    }
}

/// Memory that nobody promises.
fn unreserved(bytes: usize) -> Result<Mapping> {
    let flags = abi::MAP_PRIVATE | abi::MAP_ANONYMOUS | abi::MAP_NORESERVE;
    Mapping::new(bytes, abi::PROT_RW, flags, -1, 0)
}

/// Bytes of memory that are free.
fn free() -> usize {
    let info = guest::read_text("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemFree:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn set_adj(adj: i32) -> Result<()> {
    guest::write_text("/proc/self/oom_score_adj", &format!("{adj}\n"))
}

fn number(path: &str) -> Result<i32> {
    guest::read_text(path)?.trim().parse().map_err(|_| Errno::EINVAL)
}

/// How a child ends that touches so many bytes.
fn toucher(bytes: usize) -> Result<Status> {
    process::in_child(|| touch(bytes))
}

fn touch(bytes: usize) -> i32 {
    unreserved(bytes).map_or(1, |pages| {
        pages.touch();
        0
    })
}

fn settings(tap: &mut Tap) {
    let adj = "/proc/self/oom_score_adj";
    tap.is(number(adj), Ok(0), "oom_score_adj is 0 at first");
    let own = number("/proc/self/oom_score").unwrap_or(0);
    tap.ok((600..=1400).contains(&own), "oom_score is about two thirds of a thousand");
    let inherited =
        process::in_child(|| match (set_adj(500), process::in_child(|| i32::from(number(adj) != Ok(500)))) {
            (Ok(()), Ok(Status::Exited(0))) => {
                i32::from(!number("/proc/self/oom_score").is_ok_and(|score| score > own + 300))
            }
            _ => 2,
        });
    tap.is(inherited, EXITED, "a child inherits it, and it counts in the score");
    let never = process::in_child(|| match set_adj(-1000) {
        Ok(()) => i32::from(number("/proc/self/oom_score") != Ok(0)),
        Err(_) => 2,
    });
    tap.is(never, EXITED, "who is never killed has no score");
    for text in ["1001", "-1001", "x", "1 2", ""] {
        tap.is(guest::write_text(adj, text), Err(Errno::EINVAL), format_args!("{text:?} is no setting"));
    }
    tap.is(number(adj), Ok(0), "and changes nothing");
    tap.is(number("/proc/1/oom_score"), Ok(0), "init has no score");
}

fn the_largest_goes(tap: &mut Tap) {
    let free = free();
    tap.ok(free > 40 * MIB, "there is some memory");
    let Ok(large) = Holder::new(free / 10 * 6, 0) else {
        tap.ok(false, "a process that holds most of it");
        return;
    };
    let small = Holder::new(4 * MIB, 0);
    let pid = large.pid;
    tap.is(toucher(free / 2), EXITED, "who touches one page too many goes on");
    tap.is(large.end(), KILLED, "the one with the most is killed");
    tap.is(small.and_then(Holder::end), Ok(None), "and nobody else");
    let log = job::kernel_log().map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default();
    tap.ok(log.contains(&format!("Out of memory: Killed process {pid} (oomtest)")), "which the log says");
}

fn into_a_call(tap: &mut Tap) {
    let free = free();
    let large = Holder::new(free / 10 * 6, 0);
    let read = process::in_child(|| {
        let read =
            Fd::open("/dev/zero", abi::O_RDONLY).and_then(|zero| unreserved(free / 2)?.read_from(zero.raw()));
        i32::from(read != Ok(free / 2))
    });
    tap.is(read, EXITED, "a call that fills memory goes on");
    tap.is(large.and_then(Holder::end), KILLED, "the one with the most is killed for it");
}

fn the_protected_stays(tap: &mut Tap) {
    let free = free();
    let large = Holder::new(free / 10 * 6, -1000);
    tap.is(toucher(free / 2), Ok(Status::Killed(abi::SIGKILL)), "who has the most but one is killed");
    tap.is(large.and_then(Holder::end), Ok(None), "where the one with the most must not be");
}

fn the_offered_goes_first(tap: &mut Tap) {
    let free = free();
    let large = Holder::new(free / 10 * 6, 0);
    let offered = Holder::new(free / 10 * 2, 1000);
    tap.is(toucher(free / 10 * 3), EXITED, "who touches one page too many goes on");
    tap.is(offered.and_then(Holder::end), KILLED, "the one that offered itself is killed");
    tap.is(large.and_then(Holder::end), Ok(None), "though another has more");
}

fn many_at_once(tap: &mut Tap) {
    let free = free();
    let children: Vec<_> = (0..6).map(|_| process::spawn(|| touch(free / 2))).collect();
    let ends: Vec<_> =
        children.into_iter().map(|pid| process::wait(pid?).map(|(_, status)| status)).collect();
    let expected = |end: &Result<Status>| *end == EXITED || *end == Ok(Status::Killed(abi::SIGKILL));
    tap.ok(ends.iter().all(expected), format_args!("several that want more than there is all end: {ends:?}"));
    tap.ok(ends.contains(&EXITED), "one of them well");
}
