//! Dividing the machine's memory at boot: the image, the object heap, the contiguous pool, frames for all else.
#![allow(unsafe_code)]

use core::ops::Range;

use arrayvec::ArrayVec;
use heaps::{PAGE_SIZE, PhysAddr};

use super::{frames, object};
#[cfg(feature = "kasan")]
use crate::arch::kasan;
use crate::arch::layout::linear;
#[cfg(not(feature = "kasan"))]
use crate::arch::mte;
use crate::arch::{self, mmu};
use crate::cmdline::CommandLine;
use crate::dt::{MOST_RESERVED, Machine, Purpose, Ranges, Reserved};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 2 * MIB;

/// The regions drivers find set aside for them, the default pool among them if there is one.
pub type Regions<'a> = ArrayVec<Reserved<'a>, { MOST_RESERVED + 1 }>;

/// Memory not given to anybody yet.
struct Free(ArrayVec<Range<u64>, MOST_FREE>);

/// Each range taken may leave one range more.
const MOST_FREE: usize = 16 + MOST_RESERVED + 16;

impl Free {
    fn remove(&mut self, taken: &Range<u64>) {
        let page = PAGE_SIZE as u64;
        let taken = taken.start / page * page..taken.end.checked_next_multiple_of(page).unwrap_or(u64::MAX);
        let mut left = ArrayVec::new();
        for range in &self.0 {
            for part in [range.start..range.end.min(taken.start), range.start.max(taken.end)..range.end] {
                if part.start < part.end {
                    left.push(part);
                }
            }
        }
        self.0 = left;
    }

    /// Whether all of `range` is free.
    fn has(&self, range: &Range<u64>) -> bool {
        self.0.iter().any(|free| free.start <= range.start && range.end <= free.end)
    }

    /// Takes `len` bytes from the upper end of a range, aligned to `align`.
    fn take(&mut self, len: u64, align: u64) -> Option<Range<u64>> {
        let fits = |range: &Range<u64>| {
            let start = range.end.checked_sub(len)? / align * align;
            (start >= range.start).then_some(start..start + len)
        };
        let taken = self.0.iter().filter_map(fits).max_by_key(|range| range.start)?;
        self.remove(&taken);
        Some(taken)
    }
}

/// Builds the kernel's mappings, its heap and the frame allocator over `machine`'s memory.
///
/// # Panics
/// When there is too little memory to boot with.
pub fn init<'a>(
    machine: &Machine<'a>,
    image: PhysAddr,
    blob: Range<u64>,
    args: &CommandLine<'_>,
) -> Regions<'a> {
    let total: u64 = machine.ram.iter().map(|range| range.end - range.start).sum();
    let mut free = Free(machine.ram.iter().cloned().collect());
    free.remove(&(image.get()..image.get() + mmu::image_size()));
    free.remove(&blob);
    machine.initrd.iter().for_each(|initrd| free.remove(initrd));
    let mut regions = reserve(machine, &mut free);

    // Tables first, from memory the boot tables map: the image's GiB.
    let near_image = |range: &&Range<u64>| range.start >> 30 == image.get() >> 30;
    let mut early = Free(free.0.iter().filter(near_image).cloned().collect());
    let mut tables =
        early.take(64 * PAGE_SIZE as u64, BLOCK).or_else(|| early.take(64 * PAGE_SIZE as u64, 4096));
    let tables = tables.as_mut().unwrap_or_else(|| too_little(total));
    free.remove(tables);
    let mut next = || {
        assert!(tables.start < tables.end, "boot tables need more frames than were set aside");
        let frame = PhysAddr::new(tables.start);
        tables.start += PAGE_SIZE as u64;
        arch::zero_pages(frame, 1);
        frame
    };
    mmu::init(image, &machine.ram, machine.pci.as_ref().map(|pci| &pci.ecam), &mut next);
    arch::pgtable::init_no_user(next());

    let heap_len = (total / 8 / BLOCK * BLOCK).clamp(4 * MIB, 256 * MIB);
    let heap = free.take(heap_len, BLOCK).unwrap_or_else(|| too_little(total));
    // SAFETY: the range was just taken, is RAM, and the linear map holds it tagged.
    unsafe {
        #[cfg(not(feature = "kasan"))]
        mte::probe(linear(PhysAddr::new(heap.start)));
        #[cfg(feature = "kasan")]
        shadow(&heap, free.take(kasan::shadow_len(heap_len as usize) as u64, BLOCK));
        object::init(linear(PhysAddr::new(heap.start)), heap_len as usize);
    }

    if !regions.iter().any(|region| region.purpose == DEFAULT_POOL) {
        regions.extend(pool(&mut free, args, total));
    }
    init_shares(&machine.ram, &mut free);
    for range in &free.0 {
        frames::add(PhysAddr::new(range.start), PhysAddr::new(range.end));
    }
    regions
}

/// Takes what the device tree sets aside out of `free`, and returns what of it drivers can have: whole pages that
/// were nobody else's.
fn reserve<'a>(machine: &Machine<'a>, free: &mut Free) -> Regions<'a> {
    let mut regions = Regions::new();
    for reserved in &machine.reserved {
        let range = &reserved.range;
        let whole = [range.start, range.end].iter().all(|at| at.is_multiple_of(PAGE_SIZE as u64));
        if reserved.purpose == Purpose::Unknown {
            // Left alone.
        } else if whole && !range.is_empty() && free.has(range) {
            regions.push(reserved.clone());
        } else {
            log::warn!("{}: {:#x} to {:#x} is not free memory", reserved.name, range.start, range.end);
        }
        free.remove(range);
    }
    regions
}

const DEFAULT_POOL: Purpose = Purpose::Pool { default: true };

/// The default pool where the device tree has none: as large as `cma=` says, else 64 MiB or an eighth.
fn pool(free: &mut Free, args: &CommandLine<'_>, total: u64) -> Option<Reserved<'static>> {
    let len = args.size("cma").unwrap_or_else(|| (64 * MIB).min(total / 8)) / BLOCK * BLOCK;
    if len == 0 {
        return None;
    }
    let range = free.take(len, BLOCK);
    if range.is_none() {
        log::warn!("no {} MiB of contiguous memory for cma=; going on without", len / MIB);
    }
    Some(Reserved { range: range?, purpose: DEFAULT_POOL, name: "reserved" })
}

fn init_shares(ram: &Ranges, free: &mut Free) {
    let first = ram.iter().map(|r| r.start).min().unwrap_or(0) / PAGE_SIZE as u64;
    let last = ram.iter().map(|r| r.end).max().unwrap_or(0).div_ceil(PAGE_SIZE as u64);
    let count = (last - first) as usize;
    let Some(at) = free.take((count * size_of::<frames::Holders>()) as u64, PAGE_SIZE as u64) else {
        too_little(0)
    };
    let pages = ((at.end - at.start) as usize).div_ceil(PAGE_SIZE);
    arch::zero_pages(PhysAddr::new(at.start), pages);
    // SAFETY: the range was just taken, zeroed, is aligned, and belongs to nobody else for good.
    let counts = unsafe {
        core::slice::from_raw_parts(linear(PhysAddr::new(at.start)).cast::<frames::Holders>(), count)
    };
    frames::init_shares(first, counts);
}

/// Puts the object heap under the compiler's checks.
///
/// # Safety
/// `heap` and `shadow` were just taken from free memory.
#[cfg(feature = "kasan")]
unsafe fn shadow(heap: &Range<u64>, shadow: Option<Range<u64>>) {
    let shadow = shadow.unwrap_or_else(|| too_little(0));
    let [heap_at, shadow_at] = [heap, &shadow].map(|range| linear(PhysAddr::new(range.start)));
    // SAFETY: nobody has either, and only the boot CPU runs.
    unsafe { kasan::init(heap_at, (heap.end - heap.start) as usize, shadow_at) }
}

fn too_little(total: u64) -> ! {
    panic!("{} KiB of memory are too little to boot with; give the machine 64 MiB or more", total / 1024)
}
