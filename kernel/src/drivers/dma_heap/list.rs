//! Every dma-buf that a file owns, and `/sys/kernel/debug/dma_buf/bufinfo` (Linux: `db_list` and `dma_buf_debug_show`).
//!
//! The list holds no file. A place on it is found and given back in constant time, however many there are.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use heaps::{DmaBuf, Errno, Result};

use super::buffer::BufferRef;
use super::platform::Kernel;
use super::sync_file;
use crate::mm::fallible;
use crate::sync::{SpinLock, order};
use crate::vfs::debugfs;
use crate::vfs::file::File;
use crate::vfs::pseudo::read_only;

/// In the mode column, beside what the file was opened for: it can be sought in, and it is open (Linux: `FMODE_LSEEK`,
/// `FMODE_OPENED`).
const FMODE: u32 = 0x8_0004;
/// Room made at first and kept, so that hardly any buffer has to make more.
const ROOM: usize = 64;

enum Slot {
    /// Free, and the next that is.
    Free(Option<usize>),
    /// Taken, by a file that is not there yet.
    Reserved,
    File(Weak<File>),
}

struct List {
    slots: Vec<Slot>,
    free: Option<usize>,
    taken: usize,
}

static LIST: SpinLock<List, { order::BUFFERS }> = SpinLock::new(List::new());

impl List {
    const fn new() -> List {
        List { slots: Vec::new(), free: None, taken: 0 }
    }
}

/// A place on the list. Dropped, it is free again.
pub struct Place(usize);

impl Place {
    /// Makes room. `ENOMEM`.
    pub fn reserve() -> Result<Place> {
        let mut list = LIST.lock();
        let at = match list.free {
            Some(at) => at,
            None => {
                let more = if list.slots.capacity() == 0 { ROOM } else { 1 };
                list.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
                list.slots.push(Slot::Free(None));
                list.slots.len() - 1
            }
        };
        if let Slot::Free(next) = core::mem::replace(&mut list.slots[at], Slot::Reserved) {
            list.free = next;
        }
        list.taken += 1;
        Ok(Place(at))
    }

    /// Where it is.
    pub fn slot(&self) -> usize {
        self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut list = LIST.lock();
        list.taken -= 1;
        let free = Slot::Free(list.free);
        let gone = core::mem::replace(&mut list.slots[self.0], free);
        list.free = Some(self.0);
        if list.taken == 0 {
            // What many buffers made it grow by is no leak.
            list.slots.clear();
            list.slots.shrink_to(ROOM);
            list.free = None;
        }
        drop(list);
        drop(gone);
    }
}

/// Enters the file that owns the place.
pub fn enter(slot: usize, file: &Arc<File>) {
    LIST.lock().slots[slot] = Slot::File(Arc::downgrade(file));
}

/// Calls `each` with every buffer and its file, which is held by one more for the time. Under no lock; may sleep.
pub fn each(mut each: impl FnMut(&Arc<File>, &DmaBuf<Kernel>)) {
    for at in 0.. {
        let file = match LIST.lock().slots.get(at) {
            None => return,
            Some(Slot::File(file)) => file.upgrade(),
            Some(_) => None,
        };
        if let Some(Ok(buffer)) = file.map(BufferRef::new) {
            each(buffer.file(), &buffer);
        }
    }
}

/// Makes `bufinfo` and `sw_sync`. Once, at boot. `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    debugfs::create_file("dma_buf", "bufinfo", 0o444, read_only(bufinfo))?;
    debugfs::create_special("sync", "sw_sync", 0o644, sync_file::open_timeline)
}

/// Every buffer, the youngest first. `ENOMEM`. May sleep.
fn bufinfo() -> Result<String> {
    let mut buffers = Vec::new();
    let mut room = Ok(());
    each(|file, _| {
        room = room.and_then(|()| buffers.try_reserve(1).map_err(|_| Errno::ENOMEM));
        if room.is_ok() {
            buffers.extend(BufferRef::new(file.clone()));
        }
    });
    room?;
    buffers.sort_unstable_by_key(|buffer: &BufferRef| core::cmp::Reverse(buffer.file().inode().ino()));
    fallible::text(|out| show(out, &buffers))
}

fn show(out: &mut dyn Write, buffers: &[BufferRef]) -> fmt::Result {
    out.write_str("\nDma-buf Objects:\n")?;
    out.write_str("size    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n")?;
    for buffer in buffers {
        let file = buffer.file();
        let mode = file.flags().wrapping_add(1) & 3 | FMODE;
        let references = Arc::strong_count(file) - 1;
        write!(out, "{:08}\t{:08x}\t{mode:08x}\t{references:08}\t", buffer.size(), file.flags())?;
        buffer.show_exporter(out)?;
        write!(out, "\t{:08}\t", file.inode().ino())?;
        buffer.show_name(out)?;
        out.write_str("\n")?;
        buffer.show_fences(out)?;
        buffer.show_attachments(out)?;
    }
    let bytes: usize = buffers.iter().map(|buffer| buffer.size()).sum();
    write!(out, "\nTotal {} objects, {bytes} bytes\n", buffers.len())
}
