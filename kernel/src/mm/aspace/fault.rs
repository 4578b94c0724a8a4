//! Page faults: a page at its first touch, a copy at the first write, the stack's growth (Linux: `mm/memory.c`).

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::layout::{Layout, publish_code};
use super::mappers::PageFor;
use super::{AddressSpace, STACK_GAP, USER_END};
use crate::mm::frames::{self, Frame};
use crate::mm::vma::{Backing, MapSource, VmFlags, Vma};
use crate::mm::{MemKind, Prot, commit};

const PAGE: u64 = PAGE_SIZE as u64;

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Exec,
}

/// Why an access cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultError {
    /// Nothing is mapped there: SIGSEGV, `SEGV_MAPERR`.
    Unmapped,
    /// The mapping does not allow it: SIGSEGV, `SEGV_ACCERR`.
    Denied,
    /// The file has no such page, or could not be read: SIGBUS.
    NoPage,
    /// No memory: the task is killed.
    NoMemory,
}

impl From<Errno> for FaultError {
    fn from(error: Errno) -> FaultError {
        if error == Errno::ENOMEM { FaultError::NoMemory } else { FaultError::NoPage }
    }
}

impl Access {
    fn needs(self) -> Prot {
        match self {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Exec => Prot::EXEC,
        }
    }

    /// Whether an area with this protection allows it: on arm64 what may be written or executed may be read.
    fn allowed(self, prot: Prot) -> bool {
        prot.contains(self.needs()) || (self == Access::Read && !prot.is_empty())
    }
}

impl AddressSpace {
    /// Makes the page at `addr` accessible, or says why not. May sleep.
    pub fn fault(&self, addr: u64, access: Access) -> Result<(), FaultError> {
        if addr >= USER_END {
            return Err(FaultError::Unmapped);
        }
        let mut layout = self.lock();
        if layout.areas.find(addr).is_none() {
            layout.grow_stack(addr)?;
        }
        layout.resolve(addr & !(PAGE - 1), access)
    }

    /// Touches every page there is that can be.
    pub fn populate_all(&self) {
        let mut at = 0;
        loop {
            let next = self.lock().areas.first_from(at).map(|vma| (vma.start, vma.end));
            let Some((start, end)) = next else { return };
            self.populate(start, end);
            at = end;
        }
    }

    /// Touches every page of a range, until the first that cannot be.
    pub fn populate(&self, start: u64, end: u64) {
        let pages = (start..end).step_by(PAGE_SIZE);
        for at in pages {
            let access = match self.lock().areas.find(at) {
                Some(vma) if vma.prot.contains(Prot::WRITE) => Access::Write,
                _ => Access::Read,
            };
            if self.fault(at, access).is_err() {
                return;
            }
        }
    }
}

impl Layout {
    fn resolve(&mut self, page: u64, access: Access) -> Result<(), FaultError> {
        let vma = self.areas.find(page).ok_or(FaultError::Unmapped)?;
        if !access.allowed(vma.prot) {
            return Err(FaultError::Denied);
        }
        match self.table.lookup(page) {
            None => {
                let (frame, prot) = first_touch(vma, page, access)?;
                publish_code(prot, frame, 1);
                let mapped = self.table.map(page, frame, 1, prot, MemKind::Normal);
                if mapped.is_err() {
                    frames::unshare(frame);
                }
                Ok(mapped?)
            }
            Some((_, prot)) if access.allowed(prot) => Ok(()),
            Some((frame, _)) if access == Access::Write && vma.backing.copies_on_write() => {
                let prot = vma.prot;
                self.write_private(page, frame, prot)
            }
            Some((frame, _)) => {
                let prot = vma.shared_prot();
                publish_code(prot, frame, 1);
                Ok(self.table.protect(page, 1, prot)?)
            }
        }
    }

    /// Lets a private page be written: at once when nobody else has it, else as a copy.
    fn write_private(&mut self, page: u64, frame: PhysAddr, prot: Prot) -> Result<(), FaultError> {
        if frames::shares(frame) == 0 {
            self.table.protect(page, 1, prot)?;
            return Ok(());
        }
        let copy = commit::movable_page()?;
        frames::copy(copy.addr(), frame);
        publish_code(prot, copy.addr(), 1);
        self.table.unmap(page, 1, &mut |_, old, _| frames::unshare(old))?;
        self.table.map(page, copy.addr(), 1, prot, MemKind::Normal)?;
        let _ = copy.into_raw();
        Ok(())
    }

    /// Extends the stack above `addr` down to it, if there is one and it may.
    fn grow_stack(&mut self, addr: u64) -> Result<(), FaultError> {
        let page = addr & !(PAGE - 1);
        let above = self.areas.first_from(addr).ok_or(FaultError::Unmapped)?;
        let (start, end) = (above.start, above.end);
        if !above.flags.contains(VmFlags::GROWSDOWN) || end - page > self.limits.stack {
            return Err(FaultError::Unmapped);
        }
        if self.areas.last_below(start).is_some_and(|vma| vma.end + STACK_GAP > page) {
            return Err(FaultError::Unmapped);
        }
        let grown = Vma { start: page, end: start, ..above.clone() };
        self.admit_bytes(start - page, grown.prot, grown.flags, (0, 0)).map_err(|_| FaultError::Unmapped)?;
        self.areas.insert(grown);
        Ok(())
    }
}

/// The frame for a page touched for the first time, with a share for the page table, and what it may allow.
fn first_touch(vma: &Vma, page: u64, access: Access) -> Result<(PhysAddr, Prot), FaultError> {
    let index = (page - vma.start) / PAGE;
    let frame = match &vma.backing {
        Backing::Anonymous => commit::movable_zeroed_page()?,
        Backing::Content { file, offset, len } => {
            let (source, offset) = (&*file.source, offset + index * PAGE);
            let left = len.map(|len| len.saturating_sub(index * PAGE));
            if access != Access::Write
                && left.is_none_or(|left| left >= PAGE)
                && let Some(frame) = file_page(source, offset / PAGE, PageFor::Looking)?
            {
                return Ok((frame, vma.shared_prot()));
            }
            content_page(source, offset, left)?
        }
        Backing::File { file, first } => {
            let frame = file_page(&*file.source, first + index, PageFor::Sharing)?;
            return Ok((frame.ok_or(FaultError::NoPage)?, vma.prot));
        }
        Backing::Shared { pages, first } => return Ok((pages.page(first + index)?, vma.prot)),
        // Mapped whole when the area was made: a page that is missing was revoked.
        Backing::Runs { .. } => return Err(FaultError::NoPage),
    };
    debug_assert!(access.allowed(vma.prot));
    Ok((frame.into_raw(), vma.prot))
}

/// The file's own page, where it has pages.
fn file_page(source: &dyn MapSource, index: u64, want: PageFor) -> Result<Option<PhysAddr>, FaultError> {
    Ok(source.pages().map_or(Ok(None), |pages| pages.page(index, want))?)
}

/// A private copy of the page of content at `offset`, of which `left` bytes count.
fn content_page(source: &dyn MapSource, offset: u64, left: Option<u64>) -> Result<Frame, FaultError> {
    let mut bytes = [0u8; 512];
    let frame = commit::movable_zeroed_page()?;
    let wanted = left.unwrap_or(PAGE).min(PAGE) as usize;
    let mut done = 0;
    while done < wanted {
        let part = (wanted - done).min(bytes.len());
        let got = source.read_content(offset + done as u64, &mut bytes[..part])?;
        frames::write(frame.addr(), done, &bytes[..got]);
        done += got;
        if got < part {
            break;
        }
    }
    if done == 0 && left.is_none() {
        return Err(FaultError::NoPage);
    }
    Ok(frame)
}
