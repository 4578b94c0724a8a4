//! `/sys/kernel/debug/kmemleak`: looks for objects that nothing refers to when `scan` is written, lists them when it
//! is read, and forgets them when `clear` is written. Nothing is looked for unasked, which is Linux' `scan=off`.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use crate::arch::hold;
use crate::arch::mmu::stack_from;
use crate::mm::object::{Record, leaks};
use crate::modules::places::Code;
use crate::vfs::debugfs;
use crate::vfs::pseudo::read_write;
use crate::{process, sched};

/// How many objects are listed.
const MOST: usize = 128;
/// How often it is tried to find all tasks while none begins or ends.
const ATTEMPTS: usize = 100;

/// Adds the file. Once, at boot. `ENOMEM`.
pub fn init() -> Result<()> {
    debugfs::create_in_root("kmemleak", 0o644, read_write(show, command))
}

/// `EINVAL` for what it does not know, `EBUSY` where tasks come and go all the time.
fn command(text: &str) -> Result<()> {
    match text.trim_end() {
        "scan" => scan(),
        "clear" => {
            leaks::ignore();
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

fn scan() -> Result<()> {
    for _ in 0..ATTEMPTS {
        sched::settle();
        let threads: Vec<_> =
            process::tree::lock().nodes().flat_map(|(_, node)| node.threads.clone()).collect();
        let tasks: Vec<_> =
            threads.iter().filter_map(|thread| thread.task()).chain(sched::kernel_tasks()).collect();
        let lost = hold::with_others_held(|running| {
            // One that is about to begin or to end may have what nobody else has, on a stack that we do not know.
            let known = tasks.len() + sched::idle_tasks();
            (known == sched::live_tasks()).then(|| {
                let asleep = tasks.iter().filter_map(|task| task.execution.stack_pointer());
                leaks::scan(&mut running.chain(asleep).chain(sched::idle_stack_pointers()).map(stack_from))
            })
        });
        if let Some(lost) = lost {
            if lost > 0 {
                log::info!("kmemleak: {lost} new suspected memory leaks (see /sys/kernel/debug/kmemleak)");
            }
            return Ok(());
        }
        sched::yield_now();
    }
    Err(Errno::EBUSY)
}

/// What the last scan found and still lives. `ENOMEM`.
fn show() -> Result<String> {
    let mut lost: Vec<(usize, Record)> = Vec::new();
    lost.try_reserve_exact(MOST).map_err(|_| Errno::ENOMEM)?;
    leaks::each_lost(&mut |at, record| {
        if lost.len() < MOST {
            lost.push((at, *record));
        }
    });
    lost.sort_unstable_by_key(|(_, record)| record.serial);
    Ok(lost.iter().map(|(at, record)| describe(*at, record)).collect())
}

fn describe(at: usize, record: &Record) -> String {
    let (size, kind) = (record.size, record.kind.unwrap_or("object"));
    let by = record.allocated;
    let mut text = format!(
        "unreferenced object {at:#018x} (size {size}):\n  `{kind}`, task {} on CPU {}\n  backtrace:\n",
        by.tid, by.cpu
    );
    by.addresses().for_each(|address| text += &format!("    {}\n", Code(address)));
    text
}
