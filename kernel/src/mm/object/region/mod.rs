//! The heap's memory: blocks, free lists by class, the quarantine, and a bitmap of where records stand.

mod list;
mod reclaim;

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use linked_list_allocator::Heap;

use self::list::{List, record_at};
use super::classes::{self, LARGE_CLASS};
use super::record::{Kind, MAGIC, RECORD, Reach, Record, State, Trace};
use crate::arch::detector;
use crate::arch::mte::LIVE_TAGS;

pub(super) const UNIT: usize = 16;
/// Bytes of memory that new small objects are cut from, so that few of them search for a block.
const SLAB: usize = 4096;

/// What was freed.
pub(super) struct Freed {
    /// Bytes asked for.
    pub size: usize,
    /// Bytes its block occupies.
    pub block: usize,
    /// Whether it was a node of the kernel's own books.
    pub bookkeeping: bool,
}

/// All of it; behind one lock.
pub(super) struct Region {
    blocks: Heap,
    base: usize,
    end: usize,
    /// One bit for each 16 bytes: a record starts here.
    records: &'static mut [u64],
    free: [List; classes::COUNT],
    /// What is left of the block that each class' last new object was cut from.
    slabs: [Range<usize>; classes::COUNT],
    quarantine: List,
    quarantined_objects: usize,
    quarantined_bytes: usize,
    quarantine_limit: usize,
    /// Bytes of blocks on the classes' free lists.
    idle_bytes: usize,
    /// One block kept for what is under way when nothing else fits: free bytes may be many and all in small pieces.
    spare: Option<NonNull<u8>>,
    spare_len: usize,
    /// Objects there have ever been.
    serial: u32,
}

// SAFETY: the region owns the memory its pointers and addresses point to; the lock around it serialises access.
unsafe impl Send for Region {}

impl Region {
    pub(super) const fn empty() -> Region {
        Region {
            blocks: Heap::empty(),
            base: 0,
            end: 0,
            records: &mut [],
            free: [List::EMPTY; classes::COUNT],
            slabs: [const { 0..0 }; classes::COUNT],
            quarantine: List::EMPTY,
            quarantined_objects: 0,
            quarantined_bytes: 0,
            quarantine_limit: 0,
            idle_bytes: 0,
            spare: None,
            spare_len: 0,
            serial: 0,
        }
    }

    /// # Safety
    /// See [`super::init`].
    pub(super) unsafe fn init(&mut self, start: *mut u8, len: usize, spare_len: usize) {
        let words = len / UNIT / 64;
        let bitmap = words * 8;
        // SAFETY: the caller gives the memory away; the bitmap takes its start, zeroed, the blocks the rest.
        unsafe {
            start.cast::<u64>().write_bytes(0, words);
            self.records = core::slice::from_raw_parts_mut(start.cast(), words);
            self.blocks.init(start.add(bitmap), len - bitmap);
        }
        self.base = start.addr();
        self.end = start.addr() + len;
        self.quarantine_limit = (len / 8).min(4 << 20);
        self.spare_len = spare_len;
        self.restock();
    }

    /// An object for `layout` and the bytes its block occupies. The stack from frame pointer `fp` on is who asked.
    #[inline]
    pub(super) fn alloc(&mut self, layout: Layout, bookkeeping: bool, fp: u64) -> Option<(*mut u8, usize)> {
        let (class, size) = classes::of(layout.size().max(1));
        let class = if layout.align() > UNIT { LARGE_CLASS } else { class };
        let record = match self.pop_free(class).or_else(|| self.cut(class, size)) {
            Some(record) => record,
            None => self.fresh(class, size, layout.align())?,
        };
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let r = self.at(record);
        r.serial = serial;
        r.bookkeeping = bookkeeping;
        r.tag = r.tag % LIVE_TAGS + 1;
        r.state = State::Live;
        r.reach = Reach::Unknown;
        r.size = layout.size() as u32;
        r.kind = None;
        r.allocated.note(fp);
        let (tag, block) = (r.tag, r.block as usize);
        // SAFETY: the object's memory is ours, whole units, not in use.
        let object = unsafe { detector::live(self.object(record), layout.size(), size, tag) };
        Some((object, block))
    }

    /// Frees the object at `ptr`; `None`, and nothing changed, when there is no live object. `fp` as for `alloc`.
    #[inline]
    pub(super) fn free(&mut self, ptr: *mut u8, fp: u64) -> Option<Freed> {
        let record = self.record_of(ptr)?;
        let r = self.at(record);
        if r.state != State::Live || detector::is_anothers(ptr, r.tag) {
            return None;
        }
        r.state = State::Freed;
        r.freed.note(fp);
        let (size, block, bookkeeping) = (r.size as usize, r.block as usize, r.bookkeeping);
        let rounded = classes::of(size.max(1)).1;
        // SAFETY: the object's memory is ours again, whole units.
        unsafe { detector::freed(self.object(record), rounded) };
        self.quarantine.push(self.base, record);
        self.quarantined_objects += 1;
        self.quarantined_bytes += block;
        while self.quarantined_bytes > self.quarantine_limit {
            self.release_oldest();
        }
        Some(Freed { size, block, bookkeeping })
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    pub(super) fn drain(&mut self) {
        while self.quarantined_objects > 0 {
            self.release_oldest();
        }
    }

    pub(super) fn name(&mut self, ptr: *const u8, kind: Kind) {
        if let Some(record) = self.record_of(ptr) {
            self.at(record).kind = Some(kind);
        }
    }

    /// The object that `addr` is in, just past or just before, and how far from its start. Between two objects stands
    /// the record of the second: the nearer half of that is blamed on either.
    pub(super) fn find(&mut self, addr: *const u8) -> Option<(Record, isize)> {
        let at = detector::unchecked(addr).addr();
        if !(self.base..self.end).contains(&at) {
            return None;
        }
        let place = |region: &mut Region, unit: u32| {
            let record = *region.at(unit);
            let offset = at as isize - region.object(unit).addr() as isize;
            (offset < record.block as isize).then_some((record, offset))
        };
        let nearest = self.record_below((at - self.base) / UNIT)?;
        let found = place(self, nearest);
        if found.is_some_and(|(_, offset)| offset >= -(RECORD as isize / 2)) {
            return found;
        }
        let before = (nearest as usize).checked_sub(1).and_then(|unit| self.record_below(unit));
        before.and_then(|unit| place(self, unit)).or(found)
    }

    /// The record that stands nearest at or below a unit.
    fn record_below(&self, unit: usize) -> Option<u32> {
        let mut word = unit / 64;
        let mut bits = self.records[word] & u64::MAX >> (63 - unit % 64);
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.records[word];
        }
        Some(word as u32 * 64 + 63 - bits.leading_zeros())
    }

    /// Calls `f` with the place and the record of every live object.
    pub(super) fn each_live(&mut self, f: &mut dyn FnMut(u32, &mut Record)) {
        for word in 0..self.records.len() {
            let mut bits = self.records[word];
            while bits != 0 {
                let unit = word as u32 * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                let record = self.at(unit);
                if record.state == State::Live {
                    f(unit, record);
                }
            }
        }
    }

    /// An object that never was one; when there is no memory else, of what idles, and at last of the spare block.
    #[cold]
    #[inline(never)]
    fn fresh(&mut self, class: u8, size: usize, align: usize) -> Option<u32> {
        let carved = self.carve(class, size, align);
        let carved = carved.or_else(|| self.reclaim(size).then(|| self.carve(class, size, align))?);
        match carved {
            None if self.open_spare() => self.carve(class, size, align),
            record => record,
        }
    }

    /// A fresh block from what is left of the class' slab.
    #[inline]
    fn cut(&mut self, class: u8, size: usize) -> Option<u32> {
        let slab = self.slabs.get_mut(usize::from(class))?;
        let start = slab.start;
        if start == slab.end {
            return None;
        }
        let block = RECORD + size;
        slab.start += block;
        Some(self.set_up(start, class, RECORD, block))
    }

    /// A fresh block with its record set up. Small ones are cut from a slab of several, if there is room for that.
    fn carve(&mut self, class: u8, size: usize, align: usize) -> Option<u32> {
        let lead = RECORD.next_multiple_of(align.max(UNIT));
        let block = Layout::from_size_align(lead.checked_add(size)?, align.max(UNIT)).ok()?;
        if block.size() > u32::MAX as usize || lead / UNIT > usize::from(u16::MAX) {
            return None;
        }
        if class == LARGE_CLASS {
            let start = self.blocks.allocate_first_fit(block).ok()?.addr().get();
            return Some(self.set_up(start, class, lead, block.size()));
        }
        let several = Layout::from_size_align((SLAB / block.size()).max(1) * block.size(), UNIT).ok()?;
        let got = [several, block].into_iter().find_map(|layout| {
            self.blocks.allocate_first_fit(layout).ok().map(|start| (start.addr().get(), layout.size()))
        });
        let (start, len) = got?;
        self.slabs[usize::from(class)] = start..start + len;
        self.cut(class, size)
    }

    /// Puts a record into the block at `start`, `lead` bytes of which are before the object.
    fn set_up(&mut self, start: usize, class: u8, lead: usize, block: usize) -> u32 {
        let record = (start + lead - RECORD - self.base) / UNIT;
        self.records[record / 64] |= 1 << (record % 64);
        let at = self.base as *mut u8;
        // Where the tags begin differs from block to block: what took the place of a large object, whose record
        // goes with it, would else have its tag again, and its stale pointers would go unseen.
        let tag = (self.serial % u32::from(LIVE_TAGS)) as u8;
        // SAFETY: the record lies in a block that is nobody's, aligned to 16.
        unsafe {
            at.add(record * UNIT).cast::<Record>().write(Record {
                magic: MAGIC,
                class,
                tag,
                state: State::Idle,
                bookkeeping: false,
                lead: (lead / UNIT) as u16,
                reach: Reach::Unknown,
                next: 0,
                serial: 0,
                size: 0,
                block: block as u32,
                kind: None,
                allocated: Trace::NONE,
                freed: Trace::NONE,
            });
        }
        record as u32
    }

    fn release_oldest(&mut self) {
        let Some(record) = self.quarantine.pop(self.base) else { return };
        let r = self.at(record);
        let (class, block, lead) = (r.class, r.block as usize, usize::from(r.lead) * UNIT);
        r.state = State::Idle;
        self.quarantined_objects -= 1;
        self.quarantined_bytes -= block;
        if let Some(list) = self.free.get_mut(usize::from(class)) {
            self.idle_bytes += block;
            return list.push(self.base, record);
        }
        self.give_back(record, block, lead);
    }

    /// Gives an idle object's block back to the list allocator. It is on no list.
    fn give_back(&mut self, record: u32, block: usize, lead: usize) {
        let object = self.object(record);
        // SAFETY: the block was allocated with this size; its tags are those of memory that is no object.
        unsafe {
            detector::idle(object, block - lead);
            self.records[record as usize / 64] &= !(1 << (record % 64));
            let start = NonNull::new_unchecked(object.sub(lead));
            self.blocks.deallocate(start, Layout::from_size_align_unchecked(block, UNIT));
        }
    }

    /// The live object that the pointer `word` leads into, if it is one.
    pub(super) fn pointed_at(&mut self, word: usize) -> Option<u32> {
        let at = detector::unchecked(word as *const u8).addr();
        if !(self.base + RECORD..self.end).contains(&at) {
            return None;
        }
        let unit = self.record_below((at - RECORD - self.base) / UNIT)?;
        let start = self.object(unit).addr();
        let r = self.at(unit);
        let inside = at.wrapping_sub(start) < (r.size as usize).max(1);
        let live = r.state == State::Live && !detector::is_anothers(word as *const u8, r.tag);
        (inside && live).then_some(unit)
    }

    #[inline]
    fn pop_free(&mut self, class: u8) -> Option<u32> {
        let record = self.free.get_mut(usize::from(class))?.pop(self.base)?;
        self.idle_bytes -= self.at(record).block as usize;
        Some(record)
    }

    /// The record of the object that starts at `ptr`, if there is one.
    fn record_of(&self, ptr: *const u8) -> Option<u32> {
        let at = detector::unchecked(ptr).addr();
        let unit = at.checked_sub(self.base + RECORD)? / UNIT;
        let stands = self.records.get(unit / 64)? >> (unit % 64) & 1 == 1;
        (at.is_multiple_of(UNIT) && stands).then_some(unit as u32)
    }

    #[inline]
    pub(super) fn at(&mut self, record: u32) -> &mut Record {
        // SAFETY: `record` came from the bitmap or a list, and `self` is borrowed for as long as it is.
        unsafe { record_at(self.base, record) }
    }

    pub(super) fn object(&self, record: u32) -> *mut u8 {
        (self.base + record as usize * UNIT + RECORD) as *mut u8
    }
}
