//! What a heap's buffers are like, and whether a device can use them.
//!
//! Linux has no such question: who allocates has to know by the heap's name. See
//! [`DMA_HEAP_IOCTL_QUERY`](crate::uapi::dma_heap::DMA_HEAP_IOCTL_QUERY) for how user space asks.

use core::ops::RangeInclusive;

use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::sg::Run;
use crate::uapi::dma_heap::{
    HEAP_CACHEABLE, HEAP_CONTIGUOUS, HEAP_MAPPABLE, HEAP_PROTECTED, HEAP_SUITS, Query,
};

/// What a heap says about its buffers. It holds for as long as the heap is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// A buffer is one run of page frames.
    pub contiguous: bool,
    /// The CPU's accesses go through its caches.
    pub cacheable: bool,
    /// User space may map buffers.
    pub mappable: bool,
    /// The CPU must not touch them: devices alone may.
    pub protected: bool,
    /// The memory they come from; `None` for any page frames of the machine.
    pub region: Option<Run>,
}

impl Attributes {
    /// Buffers of any page frames, as the system heap's.
    pub const SYSTEM: Attributes =
        Attributes { contiguous: false, cacheable: true, mappable: true, protected: false, region: None };

    /// Buffers of one run each, out of `region`.
    pub const fn contiguous(region: Run) -> Attributes {
        Attributes { contiguous: true, region: Some(region), ..Attributes::SYSTEM }
    }

    /// What a query is answered, where the machine's page frames are `memory`. Whether the heap suits the device that
    /// `query` describes is part of the answer.
    pub fn answer(&self, memory: Run, query: &Query) -> Query {
        let bits = [
            (self.contiguous, HEAP_CONTIGUOUS),
            (self.cacheable, HEAP_CACHEABLE),
            (self.mappable, HEAP_MAPPABLE),
            (self.protected, HEAP_PROTECTED),
            (self.suits(memory, &DmaLimits::of(query)), HEAP_SUITS),
        ];
        let from = self.region.unwrap_or(memory);
        Query {
            size: size_of::<Query>() as u32,
            attributes: bits.into_iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum(),
            address_min: from.start().get(),
            address_max: last_byte(from),
            size_max: (from.pages() as u64) << PAGE_SHIFT,
            size_align: PAGE_SIZE as u64,
            ..*query
        }
    }

    /// Whether every buffer of the heap is one that a device with these limits reaches.
    pub fn suits(&self, memory: Run, limits: &DmaLimits) -> bool {
        let from = self.region.unwrap_or(memory);
        let reached = |address: u64| limits.addresses.contains(&address);
        reached(from.start().get())
            && reached(last_byte(from))
            && (self.contiguous || limits.segments.is_none_or(|most| most >= from.pages()))
            && (!self.protected || limits.protected)
    }
}

fn last_byte(run: Run) -> u64 {
    run.start().get() + run.len() as u64 - 1
}

/// What a device can reach by itself, where nothing translates its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmaLimits {
    /// The bytes it can address (Linux: its DMA mask).
    pub addresses: RangeInclusive<u64>,
    /// How many runs one transfer can be of; `None` for any number.
    pub segments: Option<usize>,
    /// Whether it may read protected memory.
    pub protected: bool,
}

impl DmaLimits {
    /// A device that drives `bits` address lines and takes any number of runs.
    pub const fn of_bits(bits: u32) -> DmaLimits {
        let last = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        DmaLimits { addresses: 0..=last, segments: None, protected: false }
    }

    /// The device that a query describes. A mask of 0 is that of a device which reaches everything.
    fn of(query: &Query) -> DmaLimits {
        let last = if query.dma_mask == 0 { u64::MAX } else { query.dma_mask };
        let segments = (query.segments_max != 0).then_some(query.segments_max as usize);
        DmaLimits {
            addresses: 0..=last,
            segments,
            protected: query.flags & crate::uapi::dma_heap::QUERY_PROTECTED != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PhysAddr;

    fn run(pfn: u64, pages: usize) -> Run {
        Run::new(PhysAddr::from_pfn(pfn), pages).unwrap()
    }

    #[test]
    fn a_device_is_suited_by_what_it_reaches_alone() {
        let memory = run(0x4_0000, 0x2_0000);
        let (system, low) = (Attributes::SYSTEM, Attributes::contiguous(run(0x4_0000, 16)));
        let suits = |heap: Attributes, limits: DmaLimits| heap.suits(memory, &limits);
        let reaches_low = DmaLimits { addresses: 0..=0x4000_ffff, ..DmaLimits::of_bits(64) };
        assert!(suits(low, reaches_low.clone()));
        assert!(!suits(system, reaches_low));
        assert!(!suits(low, DmaLimits { addresses: 0..=0x4000_fffe, ..DmaLimits::of_bits(64) }));
        assert!(!suits(low, DmaLimits::of_bits(28)));
        assert!(suits(system, DmaLimits::of_bits(31)));
        let one_run = DmaLimits { segments: Some(1), ..DmaLimits::of_bits(64) };
        assert!(suits(low, one_run.clone()));
        assert!(!suits(system, one_run));
        let protected = Attributes { protected: true, ..low };
        assert!(!suits(protected, DmaLimits::of_bits(64)));
        assert!(suits(protected, DmaLimits { protected: true, ..DmaLimits::of_bits(64) }));
    }

    #[test]
    fn an_answer_says_where_buffers_lie() {
        let heap = Attributes::contiguous(run(0x4_0000, 16));
        let answer = heap.answer(run(0x4_0000, 64), &Query { dma_mask: 0xffff, ..Query::default() });
        assert_eq!((answer.address_min, answer.address_max), (0x4000_0000, 0x4000_ffff));
        assert_eq!((answer.size_max, answer.size_align, answer.dma_mask), (0x1_0000, 4096, 0xffff));
        assert_eq!(answer.attributes, HEAP_CONTIGUOUS | HEAP_CACHEABLE | HEAP_MAPPABLE);
        assert_eq!(heap.answer(run(0x4_0000, 64), &Query::default()).attributes & HEAP_SUITS, HEAP_SUITS);
    }
}
