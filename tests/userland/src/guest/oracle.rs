//! The lab's files under debugfs: the discipline, the counts, the reports, the quarantine's drain.

use super::{read_text, write_text};
use crate::judge::{Counts, Report, counts, report};
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::errno::Result;

/// Directory of the lab's files.
pub const DIRECTORY: &str = "/sys/kernel/debug/lastref";

/// What there is, as it is at the moment.
pub const COUNTS: &str = "/sys/kernel/debug/lastref/counts";

/// Written a name, the kernel looks for the heap that has it, as a driver would.
pub const FIND: &str = "/sys/kernel/debug/lastref/find";

/// Switches the tracepoint at every put of a heap's reference on (`1`) and off (`0`).
pub const TRACE_PUTS: &str = "/sys/kernel/debug/lastref/trace_puts";

/// Name of the discipline in force.
pub fn discipline() -> Result<String> {
    read_text("/sys/kernel/debug/lastref/discipline").map(|text| String::from(text.trim()))
}

/// Has the program take from the kernel, before anything is counted, what a taking of counts and the writing of a
/// record need, its own code included: the program's own growth must not look like a leak.
pub fn warm_up() {
    // The stack, too.
    core::hint::black_box([0u8; 1 << 16]);
    let mut held = Vec::with_capacity(128);
    for shift in 4..15 {
        // Touched to its end: a piece that is only had may have pages that are not there yet.
        held.extend((0..8).map(|_| core::hint::black_box(alloc::vec![1u8; 1 << shift])));
    }
    // And the rest of the program, whatever of it has not run yet. Where that cannot be, counts may differ.
    let _ = crate::rt::arch::memory::lock_all();
}

/// Empties the quarantine and takes the counts.
pub fn settled_counts() -> Result<Counts> {
    write_text("/sys/kernel/debug/lastref/drain", "1")?;
    read_text(COUNTS).map(|text| counts::parse(&text))
}

/// Has reports tell who took and who put the references of the object that they are about.
pub fn remember_references() -> Result<()> {
    write_text("/sys/kernel/debug/lastref/references", "1")
}

/// Has the memory of every buffer that goes back looked for: who maps it still, and for which device it is mapped.
pub fn watch_frames() -> Result<()> {
    write_text("/sys/kernel/debug/lastref/frames", "1")
}

/// Every detection report so far.
pub fn reports() -> Result<Vec<Report>> {
    read_text("/sys/kernel/debug/lastref/reports").map(|text| report::parse(&text))
}

/// Has the kernel call every object from here on new.
pub fn mark() -> Result<()> {
    write_text("/sys/kernel/debug/lastref/survivors", "1")
}

/// The new objects that still live, a line each: what, and who allocated it.
pub fn survivors() -> Result<String> {
    read_text("/sys/kernel/debug/lastref/survivors")
}

/// What every thread does, and where those that sleep do.
pub fn tasks() -> Result<String> {
    read_text("/sys/kernel/debug/lastref/tasks")
}
