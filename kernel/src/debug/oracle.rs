//! The leak oracle: what there is, counted by those who hand it out. Equal before and after, or something leaked.

use alloc::format;
use alloc::string::String;

use crate::drivers::dma_heap::{HEAPS, cma_region};
use crate::mm::{frames, object, stack};
use crate::{arch, modules, sched, vfs};

/// One `name value` line for everything that is counted.
pub fn show() -> String {
    let heaps = HEAPS.counts();
    let (objects, object_bytes) = object::live();
    // Kernel stacks and the tables that map them are kept for the next task.
    let free_frames = frames::free_count() + stack::idle_frames() + arch::mmu::table_frames();
    let rows = [
        ("free_frames", free_frames),
        ("cma_free", cma_region().map_or(0, |region| region.stats().free)),
        ("objects", objects),
        ("object_bytes", object_bytes),
        ("quarantined", object::quarantined()),
        ("heaps", heaps.heaps),
        ("minors", heaps.minors),
        ("buffers", heaps.buffers),
        ("buffer_bytes", heaps.buffer_bytes),
        ("inodes", vfs::inode::live()),
        ("files", vfs::file::live()),
        ("tasks", sched::live_tasks()),
        ("module_refs", modules::module::references()),
    ];
    rows.iter().map(|(name, value)| format!("{name} {value}\n")).collect()
}
