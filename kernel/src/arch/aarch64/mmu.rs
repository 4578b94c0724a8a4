//! The kernel's half of the address space: built once at boot, then only stacks and modules come and go.
//!
//! W^X: text is executable and read-only, in its alias in the linear map too (as with Linux' `rodata=full`); everything
//! else never executes.

use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use aarch64_cpu::registers::{TTBR1_EL1, Writeable};
use heaps::{PAGE_SIZE, PhysAddr, Result};
use spin::Once;

use super::layout::{IMAGE_BASE, LINEAR_BASE, MODULES_BASE, MODULES_SIZE, STACK_SIZE, STACKS_BASE, linear};
use super::table::{Table, as_table, desc, span};
use super::tlb;

unsafe extern "C" {
    static __kernel_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __kernel_end: u8;
    static __boot_stack_guard: u8;
    static __boot_stack_top: u8;
}

/// Where the kernel's root table is, for CPUs that come later; the boot assembly reads it.
#[unsafe(no_mangle)]
static boot_kernel_root: AtomicU64 = AtomicU64::new(0);
static TABLE_FRAMES: AtomicUsize = AtomicUsize::new(0);

const DATA: u64 = desc::VALID | desc::SHARED | desc::ACCESSED | desc::PXN | desc::UXN;
const DEVICES: Range<u64> = 0..1 << 30;
/// Device memory beyond [`DEVICES`].
static FAR_DEVICES: Once<Range<u64>> = Once::new();
/// The most that there may be of it: what the boot tables have frames for.
const MOST_FAR: u64 = 256 << 20;

fn image_offset(symbol: *const u8) -> u64 {
    (symbol.addr() - IMAGE_BASE) as u64
}

/// Bytes of the image in memory, boot stack included.
pub fn image_size() -> u64 {
    image_offset(&raw const __kernel_end)
}

/// Whether all of `range` is device memory that the kernel maps.
pub fn is_device(range: &Range<u64>) -> bool {
    let within = |all: &Range<u64>| all.start <= range.start && range.end <= all.end;
    !range.is_empty() && (within(&DEVICES) || FAR_DEVICES.get().is_some_and(within))
}

/// Whether device memory at `far` can be mapped beside RAM in `ram` and the devices that are mapped anyway.
fn has_room(far: &Range<u64>, ram: &[Range<u64>]) -> bool {
    let apart = |other: &Range<u64>| far.end <= other.start || other.end <= far.start;
    let whole = (far.start | far.end).is_multiple_of(PAGE_SIZE as u64);
    let len = far.end.saturating_sub(far.start);
    whole && (1..=MOST_FAR).contains(&len) && far.end <= 1 << 48 && apart(&DEVICES) && ram.iter().all(apart)
}

/// Builds the final tables for an image loaded at `image`, RAM in `ram` and devices at `far`, and switches to them.
/// `frame` yields zeroed frames that the boot tables map. Where `far` overlaps something, or is longer than
/// [`MOST_FAR`], it is left out.
pub fn init(
    image: PhysAddr,
    ram: &[Range<u64>],
    far: Option<&Range<u64>>,
    frame: &mut dyn FnMut() -> PhysAddr,
) {
    let root = Table::at(frame());
    let mut alloc = || {
        TABLE_FRAMES.fetch_add(1, Ordering::Relaxed);
        Ok(frame())
    };
    let mut map = |va: usize, pa: Range<u64>, bits: u64| {
        let mapped = map_range(root, va as u64, pa, bits, &mut alloc);
        assert!(mapped.is_ok(), "boot mappings overlap");
    };
    assert!(image_size() <= (MODULES_BASE - IMAGE_BASE) as u64, "the image reaches into the modules' area");
    let base = image.get();
    let text_end = base + image_offset(&raw const __text_end);
    let rodata_end = base + image_offset(&raw const __rodata_end);
    let guard = base + image_offset(&raw const __boot_stack_guard);
    let stack = base + image_offset(&raw const __boot_stack_top) - super::layout::STACK_SIZE as u64;
    let end = base + image_size();
    let image_va = |pa: u64| IMAGE_BASE + (pa - base) as usize;

    map(image_va(base), base..text_end, DATA & !desc::PXN | desc::NORMAL | desc::READ_ONLY);
    map(image_va(text_end), text_end..rodata_end, DATA | desc::NORMAL | desc::READ_ONLY);
    map(image_va(rodata_end), rodata_end..guard, DATA | desc::NORMAL);
    map(image_va(stack), stack..end, DATA | desc::NORMAL);

    map(LINEAR_BASE, DEVICES, DATA | desc::DEVICE);
    if let Some(far) = far.filter(|far| has_room(far, ram)) {
        map(LINEAR_BASE + far.start as usize, far.clone(), DATA | desc::DEVICE);
        FAR_DEVICES.call_once(|| far.clone());
    }
    let mut linear = |pa: Range<u64>, bits: u64| map(LINEAR_BASE + pa.start as usize, pa, bits);
    for range in ram {
        let inside = range.contains(&base);
        if inside {
            linear(range.start..base, DATA | desc::TAGGED);
            linear(base..rodata_end, DATA | desc::TAGGED | desc::READ_ONLY);
            linear(rodata_end..range.end, DATA | desc::TAGGED);
        } else {
            linear(range.clone(), DATA | desc::TAGGED);
        }
    }
    boot_kernel_root.store(root.addr().get(), Ordering::Release);
    TTBR1_EL1.set(root.addr().get());
    tlb::flush_all();
}

/// Maps a physical range by the largest blocks that fit.
fn map_range(
    root: Table,
    va: u64,
    pa: Range<u64>,
    bits: u64,
    alloc: &mut dyn FnMut() -> Result<PhysAddr>,
) -> Result<()> {
    let (mut at, mut from) = (va, pa.start);
    while from < pa.end {
        let fits = |level: u32| (at | from).is_multiple_of(span(level)) && pa.end - from >= span(level);
        let level = (1..3).find(|&level| fits(level)).unwrap_or(3);
        let mut table = root;
        for upper in 0..level {
            table = table.next(at, upper, alloc)?.ok_or(heaps::Errno::EEXIST)?;
        }
        let page = if level == 3 { desc::TABLE } else { 0 };
        table.entry(at, level).store(from | bits | page, Ordering::Relaxed);
        at += span(level);
        from += span(level);
    }
    Ok(())
}

/// What the kernel may do with a page of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Read and run it.
    Text,
    /// Read it.
    Rodata,
    /// Read and write it.
    Data,
}

/// Maps a frame at `va`, where nothing is mapped. `ENOMEM`. The caller serialises changes below one table of level 2:
/// stacks and modules have tables of their own.
pub fn map_kernel_page(va: usize, pa: PhysAddr, usage: Use) -> Result<()> {
    let mut alloc = || {
        let frame = crate::mm::frames::alloc_zeroed()?;
        TABLE_FRAMES.fetch_add(1, Ordering::Relaxed);
        Ok(frame.into_raw())
    };
    let root = Table::at(PhysAddr::new(boot_kernel_root.load(Ordering::Acquire)));
    let to = pa.get()..pa.get() + PAGE_SIZE as u64;
    let bits = match usage {
        Use::Text => DATA & !desc::PXN | desc::READ_ONLY,
        Use::Rodata => DATA | desc::READ_ONLY,
        Use::Data => DATA,
    };
    map_range(root, va as u64, to, bits | desc::NORMAL, &mut alloc)?;
    tlb::publish();
    Ok(())
}

/// Unmaps what [`map_kernel_page`] mapped at `va`, on all CPUs, and hands the frame back. The caller serialises.
pub fn unmap_kernel_page(va: usize) -> Option<PhysAddr> {
    let entry = page_entry(va)?.swap(0, Ordering::Relaxed);
    tlb::flush_all();
    (entry & desc::VALID != 0).then(|| PhysAddr::new(entry & desc::ADDR))
}

/// The frame that is mapped as a page at `va`.
pub fn frame_at(va: usize) -> Option<PhysAddr> {
    let entry = page_entry(va)?.load(Ordering::Relaxed);
    (entry & desc::VALID != 0).then(|| PhysAddr::new(entry & desc::ADDR))
}

fn page_entry(va: usize) -> Option<&'static AtomicU64> {
    let mut table = Table::at(PhysAddr::new(boot_kernel_root.load(Ordering::Acquire)));
    for level in 0..3 {
        table = as_table(table.entry(va as u64, level).load(Ordering::Relaxed))?;
    }
    Some(table.entry(va as u64, 3))
}

/// Keeps the frame at `pa` from being written through the linear map, on all CPUs, until it is
/// [let again](allow_alias). `ENOMEM`. The caller serialises, as for [`map_kernel_page`].
///
/// The blocks around it are split while they are in use, which is only allowed where the machine says so (FEAT_BBM,
/// level 2; Arm ARM D8.14.2). On another the alias stays as it is.
pub fn protect_alias(pa: PhysAddr) -> Result<()> {
    if !splits_in_use() {
        return Ok(());
    }
    let va = linear(pa).addr();
    let mut table = Table::at(PhysAddr::new(boot_kernel_root.load(Ordering::Acquire)));
    for level in 0..3 {
        let entry = table.entry(va as u64, level);
        table = match as_table(entry.load(Ordering::Relaxed)) {
            Some(table) => table,
            None => split(entry, level)?,
        };
    }
    table.entry(va as u64, 3).fetch_or(desc::READ_ONLY, Ordering::Relaxed);
    tlb::flush_all();
    Ok(())
}

/// Lets a frame be written through the linear map that [`protect_alias`] kept from it.
pub fn allow_alias(pa: PhysAddr) {
    if let Some(entry) = page_entry(linear(pa).addr()) {
        entry.fetch_and(!desc::READ_ONLY, Ordering::Relaxed);
        tlb::flush_all();
    }
}

/// Puts a table that maps the same in the place of a block of `level`. `ENOMEM`.
fn split(entry: &AtomicU64, level: u32) -> Result<Table> {
    let frame = crate::mm::frames::alloc_zeroed()?;
    TABLE_FRAMES.fetch_add(1, Ordering::Relaxed);
    let table = Table::at(frame.into_raw());
    let block = entry.load(Ordering::Relaxed);
    let page = if level == 2 { desc::TABLE } else { 0 };
    for (below, n) in table.entries().iter().zip(0..) {
        below.store((block + n * span(level + 1)) | page, Ordering::Relaxed);
    }
    tlb::publish();
    entry.store(table.addr().get() | desc::TABLE | desc::VALID, Ordering::Release);
    tlb::flush_all();
    Ok(table)
}

/// Whether a block may be split while CPUs use it (ID_AA64MMFR2_EL1.BBM of 2 or more).
fn splits_in_use() -> bool {
    let mmfr2: u64;
    // SAFETY: reading an identification register has no side effect.
    unsafe { asm!("mrs {}, id_aa64mmfr2_el1", out(reg) mmfr2, options(nomem, nostack)) }
    mmfr2 >> 52 & 0xf >= 2
}

/// Frames that the kernel's own tables occupy.
pub fn table_frames() -> usize {
    TABLE_FRAMES.load(Ordering::Relaxed)
}

/// Whether the kernel could read, or with `write` write, at `va` now.
pub fn reaches(va: usize, write: bool) -> bool {
    let par: u64;
    // SAFETY: the walk that AT makes has no effect but on PAR_EL1, which nobody else uses.
    unsafe {
        match write {
            true => asm!("at s1e1w, {va}", "isb", "mrs {par}, par_el1", va = in(reg) va, par = out(reg) par),
            false => asm!("at s1e1r, {va}", "isb", "mrs {par}, par_el1", va = in(reg) va, par = out(reg) par),
        }
    }
    par & 1 == 0
}

/// The kernel's statics that can change: data and bss, without the boot stack.
pub fn statics() -> Range<usize> {
    (&raw const __rodata_end).addr()..(&raw const __boot_stack_guard).addr()
}

/// From stack pointer `sp` to the upper end of the kernel stack it is on; empty if it is on none.
pub fn stack_from(sp: usize) -> Range<usize> {
    let boot = (&raw const __boot_stack_guard).addr()..(&raw const __boot_stack_top).addr();
    match sp {
        _ if boot.contains(&sp) => sp..boot.end,
        STACKS_BASE.. => sp..(sp | (2 * STACK_SIZE - 1)) + 1,
        _ => sp..sp,
    }
}

/// Whether `pc` lies in the kernel's text, or where modules' is or was.
pub fn is_text(pc: u64) -> bool {
    (IMAGE_BASE as u64..(&raw const __text_end).addr() as u64).contains(&pc)
        || (MODULES_BASE as u64..(MODULES_BASE + MODULES_SIZE) as u64).contains(&pc)
}

/// Physical address of something in the image.
pub fn image_to_phys(va: usize) -> PhysAddr {
    let root = boot_kernel_root.load(Ordering::Acquire);
    debug_assert!(root != 0);
    PhysAddr::new(IMAGE_AT.load(Ordering::Relaxed) + (va - IMAGE_BASE) as u64)
}

/// Where the image was loaded.
pub static IMAGE_AT: AtomicU64 = AtomicU64::new(0);
