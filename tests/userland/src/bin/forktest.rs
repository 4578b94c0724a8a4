//! `/bin/forktest`: fork, execve, wait4, exit and kill. TAP.
//!
//! Runs itself for what needs a new program: `forktest --exit N`, `forktest --args A B`.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;
use userland::rt::tap::Tap;
use userland::rt::{Args, Mapping, Status, abi, process, time};

use heaps::uapi::Errno;

userland::program!(run);

/// Children in the crowd.
const CROWD: usize = 40;

fn run(args: Args) -> i32 {
    match args.get(1) {
        Some("--exit") => return args.number(2, 0).unwrap_or(99) as i32,
        Some("--args") => return arguments_arrived(args),
        _ => {}
    }
    let me = args.get(0).unwrap_or("/bin/forktest");
    let mut tap = Tap::new();
    tap.is(process::in_child(|| 7), Ok(Status::Exited(7)), "a child's exit status");
    tap.is(process::in_child(|| 0x1ff), Ok(Status::Exited(255)), "of which eight bits count");
    family(&mut tap);
    memory(&mut tap);
    signals(&mut tap);
    waiting(&mut tap);
    crowd(&mut tap);
    programs(&mut tap, me);
    tap.done()
}

fn family(tap: &mut Tap) {
    let parent = process::id();
    let knows = process::in_child(|| i32::from(process::parent_id() != parent || process::id() == parent));
    tap.is(knows, Ok(Status::Exited(0)), "a child knows its parent, and is another");
    // The grandchild loses its parent while it sleeps, and is given to process 1 or some reaper.
    let orphan = process::in_child(|| {
        let middle = process::id();
        let left = process::spawn(|| {
            while process::parent_id() == middle {
                let _ = time::sleep(time::MS);
            }
            0
        });
        i32::from(left.is_err())
    });
    tap.is(orphan, Ok(Status::Exited(0)), "an orphan does not hold up its parent's end");
}

fn memory(tap: &mut Tap) {
    let Ok(private) = Mapping::anonymous(3 * abi::PAGE) else {
        tap.ok(false, "mmap");
        return;
    };
    private.put_word(abi::PAGE, 1);
    let sees = process::in_child(|| {
        let seen = private.word(abi::PAGE) == 1;
        private.put_word(abi::PAGE, 2);
        i32::from(!(seen && private.word(abi::PAGE) == 2))
    });
    tap.is(sees, Ok(Status::Exited(0)), "a child sees memory as it was at the fork, and its own writes");
    tap.is(private.word(abi::PAGE), 1, "which its parent does not see");
    private.put_word(2 * abi::PAGE, 5);
    tap.is(private.word(2 * abi::PAGE), 5, "the parent can still write after the child has gone");
    let flags = abi::MAP_SHARED | abi::MAP_ANONYMOUS;
    let Ok(shared) = Mapping::new(abi::PAGE, abi::PROT_RW, flags, -1, 0) else {
        tap.ok(false, "mmap shared");
        return;
    };
    let writes = process::in_child(|| {
        shared.put_word(8, 0xfeed);
        0
    });
    tap.is((writes, shared.word(8)), (Ok(Status::Exited(0)), 0xfeed), "shared memory is shared with a child");
}

fn sleeper() -> i32 {
    loop {
        let _ = time::sleep(1000 * time::MS);
    }
}

fn signals(tap: &mut Tap) {
    for signal in [abi::SIGKILL, 15, 6] {
        let status = process::spawn(sleeper).and_then(|pid| {
            time::sleep(5 * time::MS)?;
            process::kill(pid, signal)?;
            process::wait(pid)
        });
        tap.is(
            status.map(|s| s.1),
            Ok(Status::Killed(signal)),
            format_args!("signal {signal} ends a sleeper"),
        );
    }
    let spinner = process::spawn(|| {
        loop {
            core::hint::spin_loop();
        }
    });
    let status = spinner.and_then(|pid| {
        time::sleep(20 * time::MS)?;
        process::kill(pid, abi::SIGKILL)?;
        process::wait(pid)
    });
    tap.is(status.map(|s| s.1), Ok(Status::Killed(abi::SIGKILL)), "SIGKILL ends one that makes no calls");
    let ignored = process::spawn(|| {
        let _ = time::sleep(50 * time::MS);
        3
    })
    .and_then(|pid| {
        process::kill(pid, abi::SIGCHLD)?;
        process::kill(pid, 0)?;
        process::wait(pid)
    });
    tap.is(ignored.map(|s| s.1), Ok(Status::Exited(3)), "SIGCHLD and 0 do not");
    tap.is(process::kill(0x3f_ffff, 0), Err(Errno::ESRCH), "nobody of that number");
    tap.is(process::kill(process::id(), 65), Err(Errno::EINVAL), "no such signal");
}

fn waiting(tap: &mut Tap) {
    tap.is(process::wait(-1).map(|w| w.0), Err(Errno::ECHILD), "nothing to wait for");
    let Ok(pid) = process::spawn(|| {
        let _ = time::sleep(50 * time::MS);
        4
    }) else {
        tap.ok(false, "fork");
        return;
    };
    tap.is(process::poll(pid), Ok(None), "WNOHANG does not wait");
    tap.is(process::wait(pid), Ok((pid, Status::Exited(4))), "a wait without it does");
    tap.is(process::wait(pid).map(|w| w.0), Err(Errno::ECHILD), "a child is waited for once");
    tap.is(process::wait(process::id()).map(|w| w.0), Err(Errno::ECHILD), "and nobody is his own child");
}

fn crowd(tap: &mut Tap) {
    let started: Result<Vec<i32>, _> = (0..CROWD)
        .map(|i| {
            process::spawn(move || {
                process::give_way();
                i as i32
            })
        })
        .collect();
    let Ok(started) = started else {
        tap.ok(false, "a crowd of children");
        return;
    };
    let mut sum = 0;
    for _ in &started {
        match process::wait(-1) {
            Ok((pid, Status::Exited(status))) if started.contains(&pid) => sum += usize::from(status),
            other => {
                userland::say!("# {other:?}");
            }
        }
    }
    tap.is(sum, CROWD * (CROWD - 1) / 2, format_args!("{CROWD} children at once, each waited for"));
}

fn programs(tap: &mut Tap, me: &str) {
    let run = |path: &str, argv: &[&str]| {
        process::in_child(|| {
            let why = process::execute(path, argv);
            200 + i32::from(why == Errno::ENOENT) + 2 * i32::from(why == Errno::EACCES)
        })
    };
    tap.is(run(me, &[me, "--exit", "42"]), Ok(Status::Exited(42)), "execve of this program");
    tap.is(run(me, &[me, "--args", "", "two words"]), Ok(Status::Exited(0)), "arguments arrive");
    tap.is(run("/no/such/program", &["x"]), Ok(Status::Exited(201)), "execve of nothing: ENOENT");
    tap.is(run("/dev", &["x"]), Ok(Status::Exited(202)), "execve of a directory: EACCES");
}

fn arguments_arrived(args: Args) -> i32 {
    // AT_PAGESZ is 6, AT_RANDOM 25: two of the entries every program may rely on.
    let vector = args.aux(6) == Some(abi::PAGE) && args.aux(25).is_some_and(|at| at != 0);
    let strings = args.count() == 4 && args.get(2) == Some("") && args.get(3) == Some("two words");
    i32::from(!(vector && strings && args.get(4).is_none()))
}
