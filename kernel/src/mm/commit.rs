//! How much of memory user space may take: what is free, less a reserve that keeps the kernel's own allocations
//! going while programs run into `ENOMEM` (Linux: `mm/util.c`, `__vm_enough_memory`).

use heaps::{Errno, Result};

use super::frames::{self, Frame};
use super::loans;

/// Page frames that user space can have part of: all that there are, and those that can be on loan.
pub fn total() -> usize {
    frames::total_count() + loans::most()
}

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

/// The same for memory that may be on loan. What is lent is nobody's to keep a reserve of.
pub fn admit_movable(pages: u64) -> Result<()> {
    admit(pages.saturating_sub(loans::lendable() as u64))
}

/// A page that an address space alone will know, contents unspecified: on loan, where more is free there than elsewhere,
/// as Linux shares it out, and where there is nothing else. `ENOMEM`.
pub fn movable_page() -> Result<Frame> {
    if loans::has_more_than(frames::free_count())
        && let Some(frame) = loans::borrow()
    {
        return Ok(frame);
    }
    page_to_move_to()
}

/// The same, zeroed.
pub fn movable_zeroed_page() -> Result<Frame> {
    let frame = movable_page()?;
    frames::zero(frame.addr(), 1);
    Ok(frame)
}

/// A page for one that has to leave its place, contents unspecified: on loan only where there is nothing else, or it would
/// have to leave again. It is an address space's alone to know, and is mapped before that space's lock is given back.
/// `ENOMEM`.
pub fn page_to_move_to() -> Result<Frame> {
    page().or_else(|errno| loans::borrow().ok_or(errno))
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
