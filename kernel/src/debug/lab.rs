//! What the lab sees and turns: `/sys/kernel/debug/lastref/`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Discipline, Errno, Result};

use super::{canary, leaks, meet, oracle, references, report, steps};
use crate::arch::backtrace::frames_from;
use crate::drivers::dma_heap::{HEAPS, TRACE_PUTS, frame_state};
use crate::drivers::edu;
use crate::mm::object;
use crate::modules::places::Code;
use crate::sync::order;
use crate::vfs::debugfs;
use crate::vfs::dynamic::TextFile;
use crate::vfs::pseudo::{read_only, read_write, write_only};
use crate::{process, sched};

const DIR: &str = "lastref";

/// Adds the files. Once, at boot. `ENOMEM`.
pub fn init() -> Result<()> {
    let add = |name: &str, permissions: u32, file: alloc::boxed::Box<dyn TextFile>| {
        debugfs::create_file(DIR, name, permissions, file)
    };
    add("counts", 0o444, read_only(|| Ok(oracle::show())))?;
    add("reports", 0o444, read_only(|| Ok(reports())))?;
    add("discipline", 0o644, read_write(|| Ok(format!("{}\n", HEAPS.discipline())), switch))?;
    add("survivors", 0o644, read_write(oracle::survivors, done(oracle::mark)))?;
    add("drain", 0o200, write_only(done(settle)))?;
    add("tasks", 0o444, read_only(|| Ok(tasks())))?;
    add("meet", 0o644, read_write(|| Ok(meet::show()), meet::command))?;
    add("steps", 0o644, read_write(steps::show, steps::command))?;
    add("references", 0o200, write_only(|text| switched(text).map(references::remember)))?;
    add("frames", 0o200, write_only(|text| switched(text).map(frame_state::watch)))?;
    add("trace_puts", 0o200, write_only(trace_puts))?;
    add("find", 0o200, write_only(find))?;
    leaks::init()?;
    // The harness' canaries: what it must catch can be made to happen.
    canary::FILES.iter().try_for_each(|&(name, what)| add(name, 0o200, write_only(done(what))))
}

/// Waits for what is on its way out, so that the counts are exact.
fn settle() {
    sched::settle();
    edu::settle();
    object::drain();
    oracle::settled();
}

/// Does `what`, whatever is written.
fn done(what: fn()) -> impl Fn(&str) -> Result<()> {
    move |_| {
        what();
        Ok(())
    }
}

fn switch(name: &str) -> Result<()> {
    let discipline = name.trim_end().parse::<Discipline>().map_err(|_| Errno::EINVAL)?;
    HEAPS.set_discipline(discipline)
}

/// Looks a heap up by name, as a driver would that wants its buffers, and lets it go again. `ENOENT`.
fn find(name: &str) -> Result<()> {
    HEAPS.find(name.trim_end()).map(drop)
}

/// Switches the tracepoint at every put of a heap's reference on (`1`) and off (`0`). `EINVAL`.
fn trace_puts(text: &str) -> Result<()> {
    TRACE_PUTS.store(switched(text)?, Ordering::Relaxed);
    Ok(())
}

/// On for `1`, off for `0`, else `EINVAL`.
fn switched(text: &str) -> Result<bool> {
    match text.trim_end() {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

fn reports() -> String {
    let mut text = String::new();
    report::each(|number, report| {
        let comm = comm_of(report.tid).unwrap_or_else(|| "-".to_string());
        let locks = report.locks.map(locks).unwrap_or_default();
        let (kind, pc, tid) = (report.kind, Code(report.pc), report.tid);
        text += &format!("{number} {kind} pc={pc}{locks} pid={tid} comm={comm}\n");
    });
    text
}

/// The lock held, and the one wanted unless it is the same.
fn locks((held, wanted): (order::Rank, order::Rank)) -> String {
    let also = if held == wanted { String::new() } else { format!(",{}", order::name(wanted)) };
    format!(" locks={}{also}", order::name(held))
}

/// The name of the process that thread `tid` belongs to, while it lives.
fn comm_of(tid: u32) -> Option<String> {
    let tree = process::tree::lock();
    let process = tree.node(tree.process_of(tid)?)?.process.clone();
    drop(tree);
    Some(String::from_utf8_lossy(&process.program().comm).into_owned())
}

/// Every thread, what it does, and for one that sleeps where.
fn tasks() -> String {
    let threads: Vec<_> = process::tree::lock().nodes().flat_map(|(_, node)| node.threads.clone()).collect();
    let mut text = String::new();
    for task in threads.iter().filter_map(|thread| thread.task()) {
        text += &format!("{} {}", task.tid, task.state_name());
        if let Some((fp, pc)) = task.execution.frame() {
            core::iter::once(pc).chain(frames_from(fp)).for_each(|pc| text += &format!(" {}", Code(pc)));
        }
        text.push('\n');
    }
    text
}
