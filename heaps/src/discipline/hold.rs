//! What a buffer holds of the heap it came from, by discipline.

use alloc::boxed::Box;

use super::borrowed::Borrowed;
use super::counted::HeapRef;
use super::lastref::Pins;
use crate::Result;
use crate::dma_buf::Exporter;
use crate::platform::Platform;
use crate::provider::HeapOps;
use crate::sg::SgTable;

/// A buffer's hold on its heap and provider.
pub(crate) enum Hold<P: Platform> {
    /// None: pointers.
    Nothing(Borrowed),
    /// A reference to the heap, which pins the provider (`kref-full`).
    Heap(HeapRef<P>),
    /// Shell, provider and module (`lastref`).
    Pins(Pins<P>),
    /// No heap: whoever made the buffer.
    Exporter(Box<dyn Exporter>),
}

impl<P: Platform> Hold<P> {
    /// The heap's operations, if it has a heap.
    fn ops(&self) -> Result<&dyn HeapOps, &dyn Exporter> {
        match self {
            Hold::Nothing(borrowed) => Ok(borrowed.ops()),
            Hold::Heap(heap) => Ok(heap.ops()),
            Hold::Pins(pins) => Ok(pins.provider().ops()),
            Hold::Exporter(exporter) => Err(&**exporter),
        }
    }

    /// Whoever made the buffer, if it has no heap.
    pub(crate) fn exporter(&self) -> Option<&dyn Exporter> {
        self.ops().err()
    }

    /// Whether user space may map the buffer.
    pub(crate) fn mappable(&self) -> bool {
        self.ops().map_or(true, |heap| heap.attributes().mappable)
    }

    /// Gives the buffer's pages back.
    pub(crate) fn release(&self, table: SgTable) {
        match self.ops() {
            Ok(heap) => heap.release(table),
            Err(exporter) => exporter.release(table),
        }
    }

    /// Begins or ends CPU access. The pages of heaps here are coherent with every device there is.
    pub(crate) fn cpu_access(&self, begin: bool) -> Result<()> {
        match self.ops() {
            Ok(_) => Ok(()),
            Err(exporter) if begin => exporter.begin_cpu_access(),
            Err(exporter) => exporter.end_cpu_access(),
        }
    }

    /// Whether the buffer's memory was taken away, which only `lastref` does.
    pub(crate) fn is_revoked(&self) -> bool {
        matches!(self, Hold::Pins(pins) if pins.provider().is_revoked())
    }

    /// The heap's name, as the exporter's.
    pub(crate) fn exp_name(&self) -> &str {
        match self {
            Hold::Nothing(borrowed) => borrowed.name(),
            Hold::Heap(heap) => heap.name(),
            Hold::Pins(pins) => pins.provider().name(),
            Hold::Exporter(exporter) => exporter.name(),
        }
    }
}
