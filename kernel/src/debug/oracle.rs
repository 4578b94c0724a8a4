//! The leak oracle: what there is, counted by those who hand it out. Equal before and after, or something leaked.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use heaps::{Errno, Result};

use crate::drivers::dma_heap::{HEAPS, regions};
use crate::mm::object::Record;
use crate::mm::{frames, object, stack};
use crate::modules::places::Code;
use crate::{arch, modules, sched, vfs};

/// One `name value` line for everything that is counted.
pub fn show() -> String {
    let heaps = HEAPS.counts();
    let (objects, object_bytes) = object::live();
    // Kernel stacks and the tables that map them are kept for the next task. It does not matter whether what a program
    // has is on loan.
    let kept = stack::idle_frames() + arch::mmu::table_frames();
    let free_frames = frames::free_count() + kept + regions::unlent_pages();
    let rows = [
        ("free_frames", free_frames),
        ("cma_free", regions::free_pages()),
        ("objects", objects),
        ("object_bytes", object_bytes),
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

/// Serial number of the youngest object at the last [`mark`].
static MARK: AtomicU32 = AtomicU32::new(0);
/// Serial number of the youngest object when the counts were last settled.
static SETTLED: AtomicU32 = AtomicU32::new(0);
/// How many survivors are described.
const MOST: usize = 64;

/// From here on objects are new.
pub fn mark() {
    MARK.store(object::serial(), Ordering::Relaxed);
}

/// Objects made from here on are not survivors: they are made by looking for them.
pub fn settled() {
    SETTLED.store(object::serial(), Ordering::Relaxed);
}

/// Describes the live objects that were made between the last [`mark`] and the last [`settled`]: size, type, and
/// who allocated them. `ENOMEM`.
pub fn survivors() -> Result<String> {
    let (mark, settled) = (MARK.load(Ordering::Relaxed), SETTLED.load(Ordering::Relaxed));
    let mut found: Vec<Record> = Vec::new();
    found.try_reserve_exact(MOST).map_err(|_| Errno::ENOMEM)?;
    object::each_live(&mut |record| {
        let after_mark = record.serial.wrapping_sub(mark) as i32 > 0;
        let while_played = record.serial.wrapping_sub(settled) as i32 <= 0;
        if after_mark && while_played && !record.bookkeeping && found.len() < MOST {
            found.push(*record);
        }
    });
    found.sort_unstable_by_key(|record| record.serial);
    Ok(found.iter().map(describe).collect())
}

fn describe(record: &Record) -> String {
    let kind = record.kind.unwrap_or("object");
    let mut line = format!("{kind} of {} bytes, allocated by task {}:", record.size, record.allocated.tid);
    for address in record.allocated.addresses() {
        line += &format!(" {}", Code(address));
    }
    line + "\n"
}
