//! The runs of frames behind fixed memory, as long as they really are.

use heaps::{PAGE_SIZE, PhysAddr, Result};

use crate::mm::vma::MapSource;

/// Calls `each` with the runs behind `pages` pages of a source from page `first` on, in order; runs that touch are one,
/// for it may have room for blocks. Stops at the first error. Called with the address space locked.
pub fn whole(
    source: &dyn MapSource,
    first: u64,
    pages: u64,
    each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
) -> Result<()> {
    let mut run = (PhysAddr::new(0), 0);
    source.runs(first, pages, &mut |pa, pages| {
        if run.0.add_pages(run.1 as u64) == pa {
            run.1 += pages;
            return Ok(());
        }
        let (pa, pages) = core::mem::replace(&mut run, (pa, pages));
        if pages == 0 { Ok(()) } else { each(pa, pages) }
    })?;
    if run.1 == 0 { Ok(()) } else { each(run.0, run.1) }
}

/// Where the first page would be if all were one run with the longest of those behind `pages` pages from page `first`
/// on: only the distance to where it is mapped counts. `None` for what was revoked.
pub fn origin(source: &dyn MapSource, first: u64, pages: u64) -> Option<u64> {
    let (mut at, mut longest, mut origin) = (0, 0, None);
    let found = whole(source, first, pages, &mut |pa, pages| {
        if pages > longest {
            (longest, origin) = (pages, Some(pa.get().wrapping_sub(at)));
        }
        at += (pages * PAGE_SIZE) as u64;
        Ok(())
    });
    found.ok().and(origin)
}
