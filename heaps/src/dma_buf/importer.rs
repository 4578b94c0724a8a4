//! Devices that buffers are attached to, and a buffer's pages as such a device addresses them.
//!
//! Models `struct device`, `struct dma_buf_attach_ops` and the part of `linux/dma-mapping.h` that a dma-buf exporter
//! uses. What lies between memory and the device, an IOMMU or nothing, is the importer's affair.

use alloc::vec::Vec;

use crate::fallible::try_push;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// Which way data goes, as the device sees it (Linux: `enum dma_data_direction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    Bidirectional,
    /// From memory to the device.
    ToDevice,
    /// From the device to memory.
    FromDevice,
}

/// A run of addresses on the device's bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaRun {
    /// The first, as the device has to be told.
    pub address: u64,
    /// In bytes, whole pages.
    pub len: usize,
}

/// A buffer in bus addresses, in order (Linux: the DMA side of a `struct sg_table`).
#[derive(Debug, Default)]
pub struct DmaTable(Vec<DmaRun>);

impl DmaTable {
    /// A table without runs.
    pub const fn new() -> DmaTable {
        DmaTable(Vec::new())
    }

    /// The table of a device to which memory has its physical addresses. `ENOMEM`.
    pub fn direct(pages: &SgTable) -> Result<DmaTable> {
        let mut runs = Vec::new();
        runs.try_reserve_exact(pages.runs().len()).map_err(|_| Errno::ENOMEM)?;
        let direct = |run: &Run| DmaRun { address: run.start().get(), len: run.len() };
        runs.extend(pages.runs().iter().map(direct));
        Ok(DmaTable(runs))
    }

    /// Appends a run; `ENOMEM`. Runs that touch become one.
    pub fn push(&mut self, run: DmaRun) -> Result<()> {
        match self.0.last_mut() {
            Some(last) if last.address.checked_add(last.len as u64) == Some(run.address) => {
                last.len += run.len
            }
            _ => try_push(&mut self.0, run)?,
        }
        Ok(())
    }

    /// The runs.
    pub fn runs(&self) -> &[DmaRun] {
        &self.0
    }

    /// In bytes, all runs together.
    pub fn size(&self) -> usize {
        self.0.iter().map(|run| run.len).sum()
    }
}

/// A device with its driver, as buffers know it.
///
/// All but [`name`](Importer::name) and [`is_dynamic`](Importer::is_dynamic) are called with the buffer's reservation
/// lock held, and may sleep; they must not come back to the buffer, its attachments or its mappings.
pub trait Importer: Send + Sync + 'static {
    /// The device's name.
    fn name(&self) -> &str;

    /// Whether the driver maps for itself, under the reservation lock, what may move between two mappings (Linux: it has
    /// `dma_buf_attach_ops`). No exporter here moves anything, so the buffer is mapped once, when it is attached.
    fn is_dynamic(&self) -> bool {
        false
    }

    /// Makes pages reachable for the device (Linux: `dma_map_sgtable`). `ENOMEM`, `EIO`, or what the bus says; nothing
    /// stays mapped then.
    fn map(&self, pages: &SgTable, direction: Direction) -> Result<DmaTable>;

    /// Undoes `map`. When it returns, the device reaches none of the addresses through this mapping.
    fn unmap(&self, _table: &DmaTable, _direction: Direction) {}

    /// The CPU is about to read or write what the device may have written. Nothing to do where caches are coherent.
    fn sync_for_cpu(&self, _table: &DmaTable, _direction: Direction) {}

    /// The CPU is done, and the device may read. Nothing to do where caches are coherent.
    fn sync_for_device(&self, _table: &DmaTable, _direction: Direction) {}

    /// The memory is taken away: the device must stop, and be done, before this returns. What is mapped is
    /// [unmapped](Importer::unmap) next, and nothing can be mapped again. (Linux: `move_notify`, for a buffer with
    /// nowhere to go.)
    fn invalidate(&self) {}
}
