//! Whether anybody still reaches page frames that go to somebody else: a program that maps them, or a device that they
//! are mapped for. (Whether one is at them right now is known to [`in_flight`](crate::mm::in_flight).) Memory that leaves
//! with its device is always looked for; that of every buffer, in builds that check their own steps and where it is asked
//! for (`lastref.frames=1`, or a file of the lab's), because it takes a look at every page that every process maps.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use heaps::{PhysAddr, Platform, Run, SgTable};

use super::Kernel;
use crate::debug::report;
use crate::mm::spaces::{self, Mapping};
use crate::process::tree;

static WATCHED: AtomicBool = AtomicBool::new(cfg!(any(debug_assertions, feature = "kasan")));

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

/// Says that a page goes back which some process maps: what must be caught. May sleep.
pub fn free_one_mapped() {
    let mut table = SgTable::new();
    let mapping = spaces::find_mapping(&|start, _| Run::new(start, 1).ok());
    if mapping.is_some_and(|mapping| table.push(mapping.what).is_ok()) {
        released(&table);
    }
}

/// Reports who reaches one of these frames, which nobody may. May sleep.
pub fn check(runs: &[Run]) {
    if let Some(mapping) = mapped(runs) {
        report_mapping(mapping.what, &mapping);
    }
    Kernel::each_buffer(&mut |buffer| {
        for &run in runs {
            buffer.each_device_at(run, &mut |device| report::freed_while_attached(run, device));
        }
    });
}

/// Reports that `frames` are about to change hands while there is this mapping of them.
pub fn report_mapping<T>(frames: Run, mapping: &Mapping<T>) {
    let process = tree::lock().owner_of(&mapping.space);
    report::freed_while_mapped(frames, process, mapping.at);
}

/// Where one of them is mapped, and which.
fn mapped(runs: &[Run]) -> Option<Mapping<Run>> {
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
