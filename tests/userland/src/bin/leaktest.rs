//! `/bin/leaktest`: what `/sys/kernel/debug/kmemleak` finds, and what it does not. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::heap::Heap;
use userland::guest::provider::Provider;
use userland::guest::{oracle, read_text, write_text};
use userland::rt::tap::Tap;
use userland::rt::{Args, process, time};

userland::program!(run);

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
const LOSE: &str = "/sys/kernel/debug/lastref/lose_two";

fn run(_: Args) -> i32 {
    let mut tap = Tap::new();
    nothing_is_lost(&mut tap);
    what_is_lost_is_found(&mut tap);
    tap.is(write_text(KMEMLEAK, "sca"), Err(Errno::EINVAL), "other commands are refused");
    tap.done()
}

/// Has the kernel look, and returns what it lists.
fn scan() -> Result<String> {
    write_text(KMEMLEAK, "scan\n")?;
    read_text(KMEMLEAK)
}

fn nothing_is_lost(tap: &mut Tap) {
    tap.is(scan(), Ok(String::new()), "nothing is lost after boot");
    let provider = Provider::load("leaktest");
    let heap = provider.as_ref().map(|_| Heap::open("leaktest"));
    let buffer = match &heap {
        Ok(Ok(heap)) => heap.allocate(3 * 4096),
        _ => Err(Errno::ENODEV),
    };
    tap.ok(buffer.is_ok(), "there is a buffer of a module's heap");
    let sleepers: Vec<_> = (0..3)
        .filter_map(|_| process::spawn(|| i32::from(time::sleep(u64::MAX / 4).is_err())).ok())
        .collect();
    tap.is(
        scan(),
        Ok(String::new()),
        "nothing is lost while a heap, a buffer and sleeping processes are there",
    );
    for pid in sleepers {
        let _ = process::kill(pid, userland::rt::abi::SIGKILL);
        let _ = process::wait(pid);
    }
    drop((buffer, heap));
    tap.ok(provider.is_ok_and(|provider| provider.unload().is_ok()), "the module goes");
    tap.is(scan(), Ok(String::new()), "nothing is lost when they have gone");
}

fn what_is_lost_is_found(tap: &mut Tap) {
    // In a process of its own, whose stack goes with it.
    let lost = process::in_child(|| i32::from(write_text(LOSE, "1").is_err()));
    tap.is(lost.map(|status| status.code()), Ok(0), "two objects are lost that refer to each other");
    let found = scan().unwrap_or_default();
    let is_lost = |line: &&str| line.starts_with("unreferenced object 0x") && line.ends_with(" (size 32):");
    tap.is(found.lines().filter(is_lost).count(), 2, "both are found");
    tap.is(found.lines().filter(|line| line.contains("`canary`")).count(), 2, "by their name");
    tap.ok(found.contains("  backtrace:\n    [<ffff"), "with who allocated them");
    tap.is(scan().as_ref(), Ok(&found), "they are found again");
    tap.is(write_text(KMEMLEAK, "clear"), Ok(()), "they can be ignored");
    tap.is(read_text(KMEMLEAK), Ok(String::new()), "then they are not listed");
    tap.is(scan(), Ok(String::new()), "and not found again");
    tap.is(oracle::reports().map(|reports| reports.len()), Ok(0), "the kernel reports nothing");
}
