//! Whether anybody still reaches page frames that go to somebody else: a program that maps them, or a device that they
//! are mapped for. (Whether one is at them right now is known to [`in_flight`](crate::mm::in_flight).) Memory that leaves
//! with its device is always looked for; that of every buffer, where it is asked for, because it takes a look at
//! every page that every process maps.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use heaps::{PhysAddr, Platform, Run, SgTable};

use super::Kernel;
use crate::debug::report;
use crate::mm::spaces;

static WATCHED: AtomicBool = AtomicBool::new(false);

/// Has the memory of every buffer looked for from now on, or not any more.
pub fn watch(on: bool) {
    WATCHED.store(on, Ordering::Relaxed);
}

/// Memory of buffers, or of devices' objects, is about to go back. May sleep.
pub fn released(table: &SgTable) {
    if WATCHED.load(Ordering::Relaxed) {
        check(table.runs());
    }
}

/// Reports who reaches one of these frames, which nobody may. May sleep.
pub fn check(runs: &[Run]) {
    if let Some((at, run)) = mapped(runs) {
        report::freed_while_mapped(run.start(), run.pages(), at);
    }
    Kernel::each_buffer(&mut |buffer| {
        for &run in runs {
            buffer.each_device_at(run, &mut |device| report::freed_while_attached(run, device));
        }
    });
}

/// Where one of them is mapped, and which.
fn mapped(runs: &[Run]) -> Option<(u64, Run)> {
    let end = |run: &Run| run.start().add_pages(run.pages() as u64);
    let all = runs.iter().map(|run| run.start()).min()?..runs.iter().map(end).max()?;
    let meets = |run: &Run, start: PhysAddr, pages: usize| {
        run.start() < start.add_pages(pages as u64) && start < end(run)
    };
    let meeting = |start: PhysAddr, pages: usize| {
        let near = start < all.end && all.start < start.add_pages(pages as u64);
        runs.iter().find(|run| near && meets(run, start, pages)).copied()
    };
    spaces::find_mapping(&meeting)
}
