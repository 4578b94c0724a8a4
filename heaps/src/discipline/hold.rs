//! What a buffer holds of the heap it came from, by discipline.

use super::borrowed::Borrowed;
use super::counted::HeapRef;
use super::lastref::Pins;
use crate::platform::Platform;
use crate::provider::HeapOps;

/// A buffer's hold on its heap and provider.
pub(crate) enum Hold<P: Platform> {
    /// None: pointers.
    Nothing(Borrowed),
    /// A reference to the heap, which pins the provider (`kref-full`).
    Heap(HeapRef<P>),
    /// Shell, provider and module (`lastref`).
    Pins(Pins<P>),
}

impl<P: Platform> Hold<P> {
    /// The operations that release the buffer.
    pub(crate) fn ops(&self) -> &dyn HeapOps {
        match self {
            Hold::Nothing(borrowed) => borrowed.ops(),
            Hold::Heap(heap) => heap.ops(),
            Hold::Pins(pins) => pins.provider().ops(),
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
        }
    }
}
