//! The device as one buffer knows it: where the buffer is mapped for it, and which of its pages are in flight.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use heaps::dma_buf::{Direction, DmaTable, Importer};
use heaps::{Errno, PAGE_SHIFT, PAGE_SIZE, Result, SgTable};
use spin::Once;

use super::device::{Edu, MEMORY_LEN};
use crate::drivers::iommu::Mapped;
use crate::mm::in_flight::{self, InFlight};
use crate::sync::{SpinLock, order};

/// The most pages that one transfer can reach.
const MOST_PAGES: usize = MEMORY_LEN as usize / PAGE_SIZE + 1;

/// An import's end at the device. As long as it is there, no other import has its addresses.
pub struct EduImporter {
    device: &'static Edu,
    /// The memory was taken away. Set before whoever takes it away waits for the device's turn, looked at under it.
    stopped: AtomicBool,
    /// Behind an IOMMU, what is mapped there.
    mapped: Once<Mapped>,
    in_flight: SpinLock<Flight, { order::HEAP_STATE }>,
}

/// The pages that the device reaches right now.
#[derive(Default)]
struct Flight {
    pages: ArrayVec<InFlight, MOST_PAGES>,
    /// The device reaches them no more, whatever it tries.
    over: bool,
}

impl EduImporter {
    /// An import that is not mapped yet.
    pub fn new(device: &'static Edu) -> EduImporter {
        EduImporter {
            device,
            stopped: AtomicBool::new(false),
            mapped: Once::new(),
            in_flight: SpinLock::new(Flight::default()),
        }
    }

    /// Whether the memory was taken away.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The device is about to reach `len` bytes of `pages`, from `offset` on; that lies within. `ENODEV` once the memory was
    /// taken away, `EBUSY` when too many devices are at work.
    pub fn take_off(&self, pages: &SgTable, offset: u64, len: u64) -> Result<()> {
        let (first, end) = (offset >> PAGE_SHIFT, (offset + len).div_ceil(PAGE_SIZE as u64));
        let mut flight = self.in_flight.lock();
        if flight.over {
            return Err(Errno::ENODEV);
        }
        for run in pages.window(first as usize, (end - first) as usize) {
            let noted = in_flight::begin(run.start(), run.len() as u64);
            match noted.map(|noted| flight.pages.try_push(noted)) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Errno::EINVAL),
                Err(errno) => {
                    flight.pages.clear();
                    return Err(errno);
                }
            }
        }
        Ok(())
    }

    /// It has, or was kept from it.
    pub fn land(&self) {
        self.in_flight.lock().pages.clear();
    }
}

impl Importer for EduImporter {
    fn name(&self) -> &str {
        "edu"
    }

    /// `EIO` where the device does not reach the pages, `EBUSY` for a second mapping.
    fn map(&self, pages: &SgTable, direction: Direction) -> Result<DmaTable> {
        match self.device.iommu {
            Some(_) if self.mapped.is_completed() => Err(Errno::EBUSY),
            Some(domain) => {
                let mapped = domain.map(pages, direction)?;
                let table = mapped.table()?;
                self.mapped.call_once(|| mapped);
                Ok(table)
            }
            None => {
                let reached = |run: &heaps::Run| self.device.reaches(run.start().get(), run.len() as u64);
                if pages.runs().iter().all(reached) { DmaTable::direct(pages) } else { Err(Errno::EIO) }
            }
        }
    }

    fn unmap(&self, _: &DmaTable, _: Direction) {
        if let Some(mapped) = self.mapped.get() {
            mapped.revoke();
            let mut flight = self.in_flight.lock();
            flight.over = true;
            flight.pages.clear();
        }
    }

    /// The IOMMU stops the device, whatever it is at, when the memory is unmapped. Without one a transfer under way has to end.
    fn invalidate(&self) {
        self.stopped.store(true, Ordering::Release);
        if self.device.iommu.is_none() {
            drop(self.device.turn());
        }
    }
}
