//! Putting a program into an address space that nobody runs in yet.

use heaps::{Errno, PAGE_SIZE, Result};

use super::AddressSpace;
use super::fault::Access;
use super::layout::{page_align, publish_code};
use crate::mm::vma::Vma;
use crate::mm::{Prot, frames};

impl AddressSpace {
    /// Adds an area where there is none: `EEXIST` otherwise.
    pub fn place(&self, vma: Vma) -> Result<()> {
        let mut layout = self.lock();
        if layout.areas.overlaps(vma.start, vma.end) {
            return Err(Errno::EEXIST);
        }
        layout.admit_areas(1)?;
        layout.add(vma)
    }

    /// Where `len` bytes could be placed. `ENOMEM`.
    pub fn find_free(&self, len: u64) -> Result<u64> {
        self.lock().areas.find_free(len).ok_or(Errno::ENOMEM)
    }

    /// Lets the heap start at `at`, rounded up to a page.
    pub fn set_brk_start(&self, at: u64) {
        let mut layout = self.lock();
        layout.brk_start = page_align(at).unwrap_or(at);
        layout.brk = layout.brk_start;
    }

    /// Writes into mapped memory as the program itself could, whichever address space this CPU sees.
    /// `EFAULT`, `ENOMEM`.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<()> {
        let mut at = addr;
        let mut left = bytes;
        while !left.is_empty() {
            self.fault(at, Access::Write).map_err(|_| Errno::EFAULT)?;
            let within = (at % PAGE_SIZE as u64) as usize;
            let (part, rest) = left.split_at(left.len().min(PAGE_SIZE - within));
            let layout = self.lock();
            let (pa, prot) = layout.table.lookup(at).ok_or(Errno::EFAULT)?;
            if !prot.contains(Prot::WRITE) {
                // A child has been forked since, and shares it.
                continue;
            }
            frames::write(pa, within, part);
            publish_code(prot, pa, 1);
            at += part.len() as u64;
            left = rest;
        }
        Ok(())
    }

    /// Reads mapped memory, whichever address space this CPU sees. `EFAULT`, `ENOMEM`.
    pub fn read(&self, addr: u64, bytes: &mut [u8]) -> Result<()> {
        let mut at = addr;
        let mut left = bytes;
        while !left.is_empty() {
            self.fault(at, Access::Read).map_err(|_| Errno::EFAULT)?;
            let within = (at % PAGE_SIZE as u64) as usize;
            let room = left.len().min(PAGE_SIZE - within);
            let (part, rest) = left.split_at_mut(room);
            let layout = self.lock();
            let (pa, _) = layout.table.lookup(at).ok_or(Errno::EFAULT)?;
            frames::read(pa, within, part);
            at += room as u64;
            left = rest;
        }
        Ok(())
    }
}
