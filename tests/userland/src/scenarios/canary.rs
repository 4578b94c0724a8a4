//! Canaries: cells that go wrong on purpose, to prove that the harness would notice.
//!
//! All of them claim that `ok` is expected. A harness that is awake turns each red, but for the first.

use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::{oracle, write_text};
use crate::judge::Conclusion;
use crate::rt::arch::trap::{self, Trap};
use crate::rt::{process, time};
use alloc::format;

const fn canary(
    id: &'static str,
    hazard: &'static str,
    play: fn(&mut Stage) -> Result<(), Stop>,
) -> Scenario {
    let race = Race { play, finds: Expected::always("ok") };
    Scenario { id, hazard, play, expected: Expected::always("ok"), race }
}

/// Does nothing and is well: what the others differ from.
pub const QUIET: Scenario = canary("canary-quiet", "nothing at all", |s| {
    s.conclude(Conclusion::Ok("nothing happened".into()));
    Ok(())
});

/// Finds something wrong.
pub const FAIL: Scenario =
    canary("canary-fail", "a scenario that fails", |_| Err(Stop("this canary always fails".into())));

/// Does not end.
pub const HANG: Scenario = canary("canary-hang", "a scenario that hangs", |s| {
    s.note(format_args!("sleep for ever"), "...");
    loop {
        let _ = time::sleep(1000 * time::MS);
    }
});

/// Dies of a signal after it said all was well.
pub const CRASH: Scenario = canary("canary-crash", "a scenario that crashes", |s| {
    s.conclude(Conclusion::Ok("about to crash".into()));
    trap::spring(Trap::LoadFrom(0));
    Ok(())
});

/// Is well, but the lab does not tell: it skips this cell's record.
pub const UNDER_REPORT: Scenario = canary(super::super::lab::UNTOLD, "a record that is missing", |s| {
    s.conclude(Conclusion::Ok("nobody will know".into()));
    Ok(())
});

/// Leaves behind a loaded heap and a process with a buffer of it.
pub const LEAK: Scenario = canary("canary-leak", "a process, a heap and a buffer left behind", |s| {
    s.load("canary")?;
    let heap = s.open("canary")?;
    let _buffer = s.allocate(&heap)?;
    let forked = process::spawn(|| {
        loop {
            let _ = time::sleep(1000 * time::MS);
        }
    });
    let pid = must("fork", forked)?;
    s.note(format_args!("fork a sleeper with the buffer"), format_args!("pid {pid}"));
    s.conclude(Conclusion::Ok("left something behind".into()));
    Ok(())
});

/// Has the kernel free an object twice.
pub const DOUBLE_FREE: Scenario =
    canary("canary-double-free", "an object freed twice on purpose", |s| provoke(s, "free_twice"));

/// Has the kernel give a page frame back that a device still reaches.
pub const IN_FLIGHT: Scenario =
    canary("canary-in-flight", "a frame freed in flight on purpose", |s| provoke(s, "free_in_flight"));

/// Has the kernel give a page frame back that a process maps.
pub const MAPPED: Scenario =
    canary("canary-mapped", "a frame freed while mapped on purpose", |s| provoke(s, "free_mapped"));

/// Has the kernel take locks against their order.
pub const LOCK_ORDER: Scenario =
    canary("canary-lock-order", "locks taken against their order on purpose", |s| provoke(s, "invert_locks"));

/// Has the kernel wait for a lock that it holds.
pub const DEADLOCK: Scenario =
    canary("canary-deadlock", "a lock taken twice on purpose", |s| provoke(s, "lock_twice"));

/// Has the kernel take more references than a count holds.
pub const SATURATION: Scenario =
    canary("canary-saturation", "a count that overflows on purpose", |s| provoke(s, "saturate_count"));

/// Has the kernel take a reference to what is gone.
pub const FROM_ZERO: Scenario =
    canary("canary-from-zero", "a count raised from zero on purpose", |s| provoke(s, "count_from_zero"));

/// Has the kernel write to its text.
pub const WRITE_TEXT: Scenario =
    canary("canary-write-text", "a write to the kernel's text on purpose", |s| provoke(s, "write_text"));

/// Has the kernel write to a module's text where the linear map shows it.
pub const WRITE_ALIAS: Scenario =
    canary("canary-write-alias", "a write to a module's text on purpose", |s| provoke(s, "write_alias"));

/// Has the kernel jump into its data.
pub const RUN_DATA: Scenario =
    canary("canary-run-data", "a jump into the kernel's data on purpose", |s| provoke(s, "run_data"));

/// Has the kernel touch what is beyond an object.
pub const BEYOND: Scenario =
    canary("canary-beyond", "a touch beyond an object on purpose", |s| provoke(s, "touch_beyond"));

/// Has the kernel run out of stack.
pub const OVERFLOW: Scenario =
    canary("canary-overflow", "a kernel stack overflow on purpose", |s| provoke(s, "overflow_stack"));

/// Has the kernel panic.
pub const PANIC: Scenario = canary("canary-panic", "a kernel panic on purpose", |s| provoke(s, "panic"));

/// Has the kernel touch a freed object.
pub const UAF: Scenario =
    canary("canary-uaf", "a touch of freed memory on purpose", |s| provoke(s, "touch_freed"));

/// Has the kernel call a module that was held, let go and unloaded.
pub const UNLOADED: Scenario = canary("canary-unloaded", "a call of an unloaded module on purpose", |s| {
    let provider = s.load("canary")?;
    let heap = s.open("canary")?;
    let buffer = s.allocate(&heap)?;
    s.close_heap(heap)?;
    s.close_buffer(buffer)?;
    must("delete_module", s.unload(&provider))?;
    provoke(s, "call_unloaded")
});

/// Writes to a file of the kernel's that does harm. That it came back is no finding; the reports are.
fn provoke(s: &mut Stage, file: &str) -> Result<(), Stop> {
    s.note(format_args!("write {}/{file}", oracle::DIRECTORY), "...");
    must(file, write_text(&format!("{}/{file}", oracle::DIRECTORY), "1"))?;
    s.conclude(Conclusion::Ok("the kernel came back".into()));
    Ok(())
}
