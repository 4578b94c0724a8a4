//! How much of memory user space may take: what is free, less a reserve that keeps the kernel's own allocations
//! going while programs run into `ENOMEM` (Linux: `mm/util.c`, `__vm_enough_memory`).

use heaps::{Errno, Result};

use super::frames::{self, Frame};

/// The reserve: 1/64 of RAM, between 256 KiB and 8 MiB. In pages.
fn reserve() -> usize {
    (frames::total_count() / 64).clamp(64, 2048)
}

/// Says `ENOMEM` unless `pages` more pages could be given to user space now. A promise of nothing: the pages
/// are taken when touched, and somebody else may be first.
pub fn admit(pages: u64) -> Result<()> {
    let room = frames::free_count().saturating_sub(reserve());
    if pages <= room as u64 { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// A zeroed page for user space. `ENOMEM` when only the reserve is left.
pub fn zeroed_page() -> Result<Frame> {
    admit(1)?;
    frames::alloc_zeroed()
}

/// A page for user space whose contents the caller replaces. `ENOMEM` when only the reserve is left.
pub fn page() -> Result<Frame> {
    admit(1)?;
    frames::alloc()
}
