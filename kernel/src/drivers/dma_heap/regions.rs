//! The regions that boot set aside for heaps, and what debugfs shows of each.
//!
//! Models `mm/cma_debug.c`: `cma/NAME/{base_pfn,count,used,maxchunk}`, and `map`, the region drawn.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::exporter::CmaRegion;
use heaps::fallible::{try_push, try_str};
use heaps::{PAGE_SIZE, PhysAddr, Result};
use spin::Once;

use super::platform::Kernel;
use crate::dt::{Purpose, Reserved};
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

/// Makes regions of what was set aside. Once, at boot. `ENOMEM`. May sleep.
pub fn init(set_aside: &[Reserved<'_>]) -> Result<()> {
    let mut regions = Vec::new();
    for reserved in set_aside {
        let pages = (reserved.range.end - reserved.range.start) as usize / PAGE_SIZE;
        let memory = CmaRegion::new(PhysAddr::new(reserved.range.start), pages)?;
        try_push(&mut regions, Region { name: try_str(reserved.name)?, purpose: reserved.purpose, memory })?;
    }
    REGIONS.call_once(|| regions).iter().try_for_each(show)
}

/// Every region.
pub fn all() -> impl Iterator<Item = &'static Region> {
    REGIONS.get().into_iter().flatten()
}

/// The pool of those who name none, if there is one.
pub fn default_pool() -> Option<&'static CmaRegion<Kernel>> {
    all().find(|region| region.purpose == Purpose::Pool { default: true }).map(|region| &region.memory)
}

/// Pages free in all regions together.
pub fn free_pages() -> usize {
    all().map(|region| region.memory.stats().free).sum()
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
    debugfs::create_file(&dir, "map", 0o444, read_only(|| Ok(map(&region.memory))))
}

/// How many characters a region is drawn with, at the most, and how many stand on a line.
const CELLS: usize = 64 * LINE;
const LINE: usize = 64;

/// The region by address, a character for every so many pages: `.` free, `#` taken, `o` some of both.
fn map(memory: &CmaRegion<Kernel>) -> String {
    let pages = memory.stats().pages;
    let scale = pages.div_ceil(CELLS).next_power_of_two();
    let mut free = Vec::new();
    if free.try_reserve_exact(pages.div_ceil(scale)).is_err() {
        return String::new();
    }
    free.resize(pages.div_ceil(scale), 0usize);
    memory.each_free(&mut |extent| {
        let (first, last) = (extent.start / scale, extent.end.div_ceil(scale));
        for (cell, free) in (first..last).zip(&mut free[first..last]) {
            *free += (extent.start.max(cell * scale)..extent.end.min((cell + 1) * scale)).len();
        }
    });
    let mut text = format!("{scale} pages a character\n");
    for (line, cells) in free.chunks(LINE).enumerate() {
        text += &format!("{:8} ", line * LINE * scale);
        text.extend(cells.iter().enumerate().map(|(at, &free)| {
            let whole = scale.min(pages - (line * LINE + at) * scale);
            if free == 0 {
                '#'
            } else if free == whole {
                '.'
            } else {
                'o'
            }
        }));
        text.push('\n');
    }
    text
}
