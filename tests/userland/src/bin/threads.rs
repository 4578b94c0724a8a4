//! `/bin/threads [THREADS]`: threads share memory, exclude one another through futexes, have thread pointers
//! and numbers of their own, and end without ending the process. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use userland::complain;
use userland::rt::arch::lock::{futex_wait_for, futex_wake};
use userland::rt::tap::Tap;
use userland::rt::{Args, Lock, Mapping, Status, Thread, abi, process, thread, time};

use heaps::uapi::Errno;

userland::program!(run);

/// Times each thread takes the lock.
const ROUNDS: u64 = 20_000;

fn run(args: Args) -> i32 {
    let Ok(threads) = args.number(1, 4) else {
        complain!("usage: threads [THREADS]");
        return 2;
    };
    let threads = threads.clamp(1, 64) as usize;
    let mut tap = Tap::new();
    identity(&mut tap, threads);
    exclusion(&mut tap, threads);
    futexes(&mut tap);
    affinity(&mut tap);
    churn(&mut tap);
    endings(&mut tap);
    tap.done()
}

fn identity(tap: &mut Tap, threads: usize) {
    let wrong = Arc::new(AtomicU32::new(0));
    let ids = Arc::new(Lock::new(Vec::new()));
    let process = process::id();
    let started: Result<Vec<Thread>, Errno> = (0..threads)
        .map(|i| {
            let (wrong, ids) = (wrong.clone(), ids.clone());
            Thread::spawn(1000 + i, move || {
                for _ in 0..200 {
                    process::give_way();
                    if thread::local() != Some(1000 + i) || process::id() != process {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
                ids.lock().push(process::thread_id());
            })
        })
        .collect();
    let Ok(started) = started else {
        tap.is(started.err(), None, "threads start");
        return;
    };
    let mut expected: Vec<i32> = started.iter().map(Thread::id).collect();
    drop(started);
    tap.is(wrong.load(Ordering::Relaxed), 0, "each thread keeps its own TPIDR_EL0, all are one process");
    let mut seen = ids.lock().clone();
    seen.sort_unstable();
    expected.sort_unstable();
    tap.is(seen, expected, "gettid says what clone said");
    tap.is(process::thread_id(), process, "the first thread's number is the process's");
}

fn exclusion(tap: &mut Tap, threads: usize) {
    // Two words that only the lock keeps equal.
    let pair = Arc::new(Lock::new((0u64, 0u64)));
    let torn = Arc::new(AtomicU64::new(0));
    let started: Result<Vec<Thread>, Errno> = (0..threads)
        .map(|i| {
            let (pair, torn) = (pair.clone(), torn.clone());
            Thread::spawn(i, move || {
                for round in 0..ROUNDS {
                    let mut held = pair.lock();
                    held.0 += 1;
                    if round % 512 == 0 {
                        process::give_way();
                    }
                    held.1 += 1;
                    if held.0 != held.1 {
                        torn.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    tap.ok(started.is_ok(), "threads for the lock start");
    drop(started);
    let total = ROUNDS * threads as u64;
    tap.is(*pair.lock(), (total, total), "a mutex over futex loses no count");
    tap.is(torn.load(Ordering::Relaxed), 0, "and lets nobody see half of one");
}

fn futexes(tap: &mut Tap) {
    let word = Arc::new(AtomicU32::new(1));
    tap.is(futex_wait_for(&word, 2, time::MS), Err(Errno::EAGAIN), "no wait where the word has changed");
    let before = time::now();
    let timed = futex_wait_for(&word, 1, 20 * time::MS);
    tap.is(timed, Err(Errno::ETIMEDOUT), "a wait for nobody times out");
    tap.ok(time::now() - before >= 20 * time::MS, "and not early");
    tap.is(futex_wake(&word, 1), 0, "nobody to wake");
    let sleepers: Result<Vec<Thread>, Errno> = (0..3)
        .map(|i| {
            let word = word.clone();
            Thread::spawn(i, move || {
                let _ = futex_wait_for(&word, 1, 5_000 * time::MS);
            })
        })
        .collect();
    let mut woken = 0;
    let start = time::now();
    while woken < 3 && time::now() - start < 4_000 * time::MS {
        woken += futex_wake(&word, 1);
        process::give_way();
    }
    tap.is(woken, 3, "three sleepers are woken one at a time");
    drop(sleepers);
}

fn affinity(tap: &mut Tap) {
    let Ok(all) = process::affinity() else {
        tap.ok(false, "sched_getaffinity");
        return;
    };
    userland::say!("# may run on CPUs {all:#x}");
    for cpu in (0..64).filter(|cpu| all >> cpu & 1 == 1).take(8) {
        let bound = process::set_affinity(1 << cpu).and_then(|()| process::affinity());
        tap.is(bound, Ok(1 << cpu), format_args!("bound to CPU {cpu}"));
        process::give_way();
    }
    tap.is(process::set_affinity(all), Ok(()), "and let go again");
    tap.is(process::set_affinity(0), Err(Errno::EINVAL), "bound to no CPU: EINVAL");
}

fn churn(tap: &mut Tap) {
    let count = Arc::new(AtomicU32::new(0));
    let mut started = 0;
    for i in 0..200 {
        let count = count.clone();
        if let Ok(thread) = Thread::spawn(i, move || {
            count.fetch_add(1, Ordering::Relaxed);
        }) {
            started += 1;
            thread.join();
        }
    }
    tap.is((started, count.load(Ordering::Relaxed)), (200, 200), "200 threads, one after another");
}

fn endings(tap: &mut Tap) {
    let status = process::in_child(|| {
        let _spinner = Thread::spawn(1, || {
            loop {
                core::hint::spin_loop();
            }
        });
        let _sleeper = Thread::spawn(2, || {
            loop {
                let _ = time::sleep(1000 * time::MS);
            }
        });
        process::give_way();
        process::exit_group(9)
    });
    tap.is(status, Ok(Status::Exited(9)), "exit_group ends threads that spin and sleep");
    let status = process::in_child(|| {
        let _ender = Thread::spawn(1, || process::exit_group(11));
        loop {
            let _ = time::sleep(1000 * time::MS);
        }
    });
    tap.is(status, Ok(Status::Exited(11)), "and any thread may call it");
    let status = process::in_child(|| {
        let Ok(page) = Mapping::new(abi::PAGE, abi::PROT_READ, abi::MAP_PRIVATE | abi::MAP_ANONYMOUS, -1, 0)
        else {
            return 1;
        };
        let _faulter = Thread::spawn(1, move || page.put(0, 1));
        loop {
            let _ = time::sleep(1000 * time::MS);
        }
    });
    tap.is(status, Ok(Status::Killed(abi::SIGSEGV)), "a thread's fault ends the process");
}
