//! Memory that a device reads and writes beside the kernel, in words of 64 bits: its tables and queues (Linux:
//! `dma_alloc_coherent`).

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::frames;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Such memory. The device must not be told of it any more when it is dropped.
#[derive(Debug)]
pub struct DmaMemory {
    start: PhysAddr,
    order: u32,
}

impl DmaMemory {
    /// `bytes` of zeroes, or more, at an address that is a multiple of as many as there are. `EINVAL` for none, `ENOMEM`.
    pub fn new(bytes: usize) -> Result<DmaMemory> {
        let pages = bytes.div_ceil(PAGE_SIZE).checked_next_power_of_two().ok_or(Errno::EINVAL)?;
        let order = pages.ilog2();
        let start = frames::alloc_order(order)?;
        frames::zero(start, pages);
        Ok(DmaMemory { start, order })
    }

    /// Its first byte, as a device that is not behind an IOMMU has to be told.
    pub fn addr(&self) -> PhysAddr {
        self.start
    }

    /// Where word `at` is.
    ///
    /// # Panics
    /// Where there is no such word.
    fn place(&self, at: usize) -> PhysAddr {
        assert!(at < (PAGE_SIZE << self.order) / WORD, "no word {at} in device memory");
        PhysAddr::new(self.start.get() + (at * WORD) as u64)
    }

    /// Reads word `at`.
    ///
    /// # Panics
    /// Where there is none.
    pub fn word(&self, at: usize) -> u64 {
        frames::read_word(self.place(at))
    }

    /// Writes word `at` at once; the device sees what was written before no later.
    ///
    /// # Panics
    /// Where there is none.
    pub fn set_word(&self, at: usize, value: u64) {
        frames::write_word(self.place(at), value);
    }
}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        frames::free_order(self.start, self.order);
    }
}
