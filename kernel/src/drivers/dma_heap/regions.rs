//! The regions that boot set aside for heaps, and what debugfs shows of each.
//!
//! Models `mm/cma_debug.c`: `cma/NAME/{base_pfn,count,used,maxchunk}`; and more: what of it is `lent` to user memory, how
//! many pages were `moved` off it for buffers, how often a page that stayed made a range `busy`; and `map`, the region
//! drawn.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::exporter::{CmaHeap, CmaRegion};
use heaps::fallible::{try_push, try_str};
use heaps::{PAGE_SIZE, PhysAddr, ProviderData, Result, Run};
use spin::Once;

use super::HEAPS;
use super::platform::Kernel;
use super::{frame_state, machine};
use crate::dt::{Purpose, Reserved};
use crate::mm::aspace::migrate;
use crate::mm::loans::Lender;
use crate::mm::spaces;
use crate::vfs::debugfs;
use crate::vfs::pseudo::read_only;

/// A region of memory for heaps.
pub struct Region {
    /// The device-tree node's name; `reserved` for the pool that no node describes.
    pub name: Box<str>,
    /// What it is for.
    pub purpose: Purpose,
    /// Its pages.
    pub memory: CmaRegion<Kernel>,
}

static REGIONS: Once<Vec<Region>> = Once::new();

/// Makes regions of what was set aside; pools lend their pages to user memory if `lend`. Once, at boot. `ENOMEM`. May sleep.
pub fn init(set_aside: &[Reserved<'_>], lend: bool) -> Result<()> {
    let mut regions = Vec::new();
    for reserved in set_aside {
        let pages = (reserved.range.end - reserved.range.start) as usize / PAGE_SIZE;
        let base = PhysAddr::new(reserved.range.start);
        let memory = match reserved.purpose {
            Purpose::Pool { .. } if lend => CmaRegion::lending(base, pages)?,
            _ => CmaRegion::new(base, pages)?,
        };
        try_push(&mut regions, Region { name: try_str(reserved.name)?, purpose: reserved.purpose, memory })?;
    }
    let regions = REGIONS.call_once(|| regions);
    let lenders = || regions.iter().map(|region| &region.memory).filter(|memory| memory.lendable() != 0);
    let first = lenders().map(|memory| memory.base().pfn()).min();
    let end = lenders().map(|memory| memory.base().pfn() + memory.span().pages() as u64).max();
    if let (Some(first), Some(end)) = (first, end) {
        machine::lend(&Regions, first..end, lenders().map(CmaRegion::lendable).sum());
    }
    regions.iter().for_each(publish);
    Ok(())
}

/// Shows a region in debugfs. Where its name is taken, by a region of the same name elsewhere, that one stays shown; the
/// machine does not fail for it.
fn publish(region: &'static Region) {
    if let Err(e) = show(region) {
        log::warn!("region {} at {:#x}: not shown: {e}", region.name, region.memory.base().get());
    }
}

/// Registers a heap over each region, for good, by the region's name: the default pool's too, which Linux 6.1 calls its
/// heap by, beside the module's `default_cma_region`. A name that is taken stays whose it is. Once, at boot. May sleep.
pub fn register_heaps() {
    for region in all() {
        let heap = match region.purpose {
            Purpose::Pool { .. } => CmaHeap::<Kernel, _>::new(&region.memory),
            Purpose::Carveout => CmaHeap::<Kernel, _>::carveout(&region.memory),
            Purpose::Protected => CmaHeap::<Kernel, _>::protected(&region.memory),
            Purpose::Unknown => continue,
        };
        let registered = ProviderData::new(&region.name, heap, None).and_then(|data| HEAPS.register(data));
        match registered {
            // Never unregistered: nothing is left to do with it.
            Ok(registration) => core::mem::forget(registration),
            Err(e) => log::warn!("heap {}: {e}", region.name),
        }
    }
}

/// Every region.
pub fn all() -> impl Iterator<Item = &'static Region> {
    REGIONS.get().into_iter().flatten()
}

/// The pool of those who name none, if there is one.
pub fn default_pool() -> Option<&'static CmaRegion<Kernel>> {
    all().find(|region| region.purpose == Purpose::Pool { default: true }).map(|region| &region.memory)
}

/// Pages in all regions together that no buffer has.
pub fn free_pages() -> usize {
    all().map(|region| region.memory.stats().free).sum()
}

/// Pages in all regions together that are not on loan.
pub fn unlent_pages() -> usize {
    all().map(|region| region.memory.stats().pages - region.memory.loan_stats().lent).sum()
}

/// Pages of the pools together, and how many of them nobody has, no buffer and no borrower: those that `/proc/meminfo`
/// tells of.
pub fn pools() -> (usize, usize) {
    let pools = all().filter(|region| matches!(region.purpose, Purpose::Pool { .. }));
    pools.fold((0, 0), |(pages, free), pool| (pages + pool.memory.stats().pages, free + pool.memory.unused()))
}

/// All regions, as a lender of page frames.
struct Regions;

impl Lender for Regions {
    fn lend(&self) -> Option<PhysAddr> {
        all().find_map(|region| region.memory.lend())
    }

    fn take_back(&self, frame: PhysAddr) -> bool {
        all().any(|region| region.memory.take_back(frame))
    }

    fn lendable(&self) -> usize {
        all().map(|region| region.memory.lendable()).sum()
    }
}

/// Moves whoever was lent a frame of `run` off it, and reports who is there still although nobody should be.
pub fn evict(run: Run) -> Result<()> {
    let frames = run.start()..run.start().add_pages(run.pages() as u64);
    migrate::evict(&frames)?;
    if let Some(mapping) = spaces::find_private_mapping(&frames) {
        frame_state::report_mapping(run, &mapping);
    }
    Ok(())
}

fn show(region: &'static Region) -> Result<()> {
    let dir = format!("cma/{}", region.name);
    let number = |name: &str, value: fn(&CmaRegion<Kernel>) -> u64| {
        debugfs::create_file(&dir, name, 0o444, read_only(move || Ok(format!("{}\n", value(&region.memory)))))
    };
    number("base_pfn", |memory| memory.base().pfn())?;
    number("count", |memory| memory.stats().pages as u64)?;
    number("used", |memory| (memory.stats().pages - memory.stats().free) as u64)?;
    number("maxchunk", |memory| memory.stats().largest as u64)?;
    number("lent", |memory| memory.loan_stats().lent as u64)?;
    number("moved", |memory| memory.loan_stats().moved as u64)?;
    number("busy", |memory| memory.loan_stats().busy as u64)?;
    debugfs::create_file(&dir, "map", 0o444, read_only(|| Ok(map(&region.memory))))
}

/// How many characters a region is drawn with, at the most, and how many stand on a line.
const CELLS: usize = 64 * LINE;
const LINE: usize = 64;

/// The region by address, a character for every so many pages: `.` free, `~` lent, `#` a buffer's, `o` several
/// of these.
fn map(memory: &CmaRegion<Kernel>) -> String {
    let pages = memory.stats().pages;
    let scale = pages.div_ceil(CELLS).next_power_of_two();
    // How many pages of each cell are free, and how many lent.
    let mut cells = Vec::new();
    if cells.try_reserve_exact(pages.div_ceil(scale)).is_err() {
        return String::new();
    }
    cells.resize(pages.div_ceil(scale), (0, 0));
    memory.each_free(scale, &mut |piece, lent| {
        let cell = &mut cells[piece.start / scale];
        *cell = (cell.0 + piece.len() - lent, cell.1 + lent);
    });
    let mut text = format!("{scale} pages a character\n");
    for (line, cells) in cells.chunks(LINE).enumerate() {
        let first = line * LINE * scale;
        text += &format!("{first:8} ");
        text.extend(cells.iter().enumerate().map(|(at, &(free, lent))| {
            let whole = scale.min(pages - first - at * scale);
            match (free, lent) {
                (0, 0) => '#',
                _ if free == whole => '.',
                _ if lent == whole => '~',
                _ => 'o',
            }
        }));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_regions_of_a_name_the_first_is_shown() {
        let region = |base| {
            let memory = CmaRegion::new(PhysAddr::new(base), 4).unwrap();
            let name = try_str("twice").unwrap();
            &*Box::leak(Box::new(Region { name, purpose: Purpose::Carveout, memory }))
        };
        let (first, second) = (region(0x5000_0000), region(0x6000_0000));
        assert_eq!(show(first), Ok(()));
        assert_eq!(show(second), Err(heaps::Errno::EEXIST));
        publish(second);
    }

    #[test]
    fn a_region_is_drawn_with_what_is_lent_of_it() {
        let memory = CmaRegion::lending(PhysAddr::new(0x5000_0000), 70).unwrap();
        memory.take(2).unwrap();
        // From the end on.
        assert!((0..3).all(|_| memory.lend().is_some()));
        let dots = ".".repeat(62);
        assert_eq!(map(&memory), format!("1 pages a character\n       0 ##{dots}\n      64 ...~~~\n"));
    }

    #[test]
    fn a_character_for_several_pages_says_when_they_differ() {
        let memory = CmaRegion::lending(PhysAddr::new(0x5000_0000), CELLS + 3).unwrap();
        memory.take(1).unwrap();
        // The last character has one page, which is lent, and so is half of the one before.
        assert!((0..2).all(|_| memory.lend().is_some()));
        let text = map(&memory);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines.len()), ("2 pages a character", 1 + 33));
        assert!(lines[1].starts_with("       0 o..."), "{}", lines[1]);
        assert_eq!(lines[33], "    4096 o~");
    }
}
