//! One thread: a bag of heaps, buffers and mappings, and a die.

use super::Shared;
use super::slot::NAMES;
use super::tally::Op;
use crate::guest::buffer::Buffer;
use crate::guest::heap::Heap;
use crate::rt::abi::PAGE;
use crate::rt::rng::Rng;
use crate::rt::{Mapping, process};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

/// Most heaps, buffers and mappings a thread holds, of each.
const BAG: usize = 8;
/// Largest buffer, in pages.
const PAGES: u64 = 16;

/// A mapping, its buffer's descriptor where that is still open, and the value that was last written to its
/// first and last word.
struct Written {
    mapping: Mapping,
    buffer: Option<Buffer>,
    value: u64,
}

/// A thread's state.
pub struct Worker<'a> {
    shared: &'a Shared,
    rng: Rng,
    heaps: Vec<Heap>,
    buffers: Vec<Buffer>,
    mappings: Vec<Written>,
}

impl<'a> Worker<'a> {
    /// A thread with empty hands, bound to `cpu`.
    pub fn new(shared: &'a Shared, seed: u64, cpu: Option<u32>) -> Worker<'a> {
        if let Some(cpu) = cpu {
            let _ = process::set_affinity(1 << cpu);
        }
        Worker { shared, rng: Rng::new(seed), heaps: Vec::new(), buffers: Vec::new(), mappings: Vec::new() }
    }

    /// Goes on until told to stop, and lets go of everything.
    pub fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.rng.below(100) {
                0..20 => self.open(),
                20..45 => self.allocate(),
                45..57 => self.map(),
                57..70 => self.write(),
                70..74 => self.sync(),
                74..81 => self.unmap(),
                81..88 => self.close_buffer(),
                88..94 => self.close_heap(),
                94..97 => {
                    self.shared.slots.reload(self.rng.below(NAMES.len() as u64) as usize, &self.shared.tally)
                }
                97..99 => self.shared.slots.sweep(&self.shared.tally),
                _ => process::give_way(),
            }
        }
        while !self.mappings.is_empty() {
            self.unmap();
        }
        while !self.buffers.is_empty() {
            self.close_buffer();
        }
        while !self.heaps.is_empty() {
            self.close_heap();
        }
    }

    /// The index of one of `len` things, if there are any.
    fn pick(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.rng.below(len as u64) as usize)
    }

    fn open(&mut self) {
        if self.heaps.len() == BAG {
            return self.close_heap();
        }
        let name = NAMES[self.rng.below(NAMES.len() as u64) as usize];
        self.heaps.extend(self.shared.tally.count(Op::Open, Heap::open(name)));
    }

    fn allocate(&mut self) {
        if self.buffers.len() == BAG {
            return self.close_buffer();
        }
        let Some(i) = self.pick(self.heaps.len()) else { return };
        let length = (1 + self.rng.below(PAGES) as usize) * PAGE;
        self.buffers.extend(self.shared.tally.count(Op::Allocate, self.heaps[i].allocate(length)));
    }

    fn map(&mut self) {
        if self.mappings.len() == BAG {
            return self.unmap();
        }
        let Some(i) = self.pick(self.buffers.len()) else { return };
        // A buffer is mapped once, so that nobody else writes where this mapping checks.
        let buffer = self.buffers.swap_remove(i);
        let Some(mapping) = self.shared.tally.count(Op::Map, buffer.map()) else { return };
        let last = mapping.length() - 8;
        if (mapping.word(0), mapping.word(last)) != (0, 0) {
            self.shared.tally.odd(format_args!("a new buffer holds somebody's data"));
        }
        // Half of the mappings outlive their descriptor.
        let buffer = if self.rng.below(2) == 0 {
            self.shared.tally.count(Op::CloseBuffer, buffer.close());
            None
        } else {
            Some(buffer)
        };
        self.mappings.push(Written { mapping, buffer, value: 0 });
    }

    fn write(&mut self) {
        let Some(i) = self.pick(self.mappings.len()) else { return };
        let value = self.rng.next_u64();
        let written = &mut self.mappings[i];
        let last = written.mapping.length() - 8;
        for at in [0, last] {
            let got = written.mapping.word(at);
            if got != written.value {
                let want = written.value;
                self.shared
                    .tally
                    .odd(format_args!("a buffer holds {got:#x} at {at:#x} instead of {want:#x}"));
            }
            written.mapping.put_word(at, value);
        }
        written.value = value;
        self.shared.tally.count(Op::Write, Ok(()));
    }

    fn sync(&mut self) {
        let Some(i) = self.pick(self.mappings.len()) else { return };
        if let Some(buffer) = &self.mappings[i].buffer {
            self.shared.tally.count(Op::Sync, buffer.sync());
        }
    }

    fn unmap(&mut self) {
        let Some(i) = self.pick(self.mappings.len()) else { return };
        let written = self.mappings.swap_remove(i);
        self.shared.tally.count(Op::Unmap, written.mapping.unmap());
        if let Some(buffer) = written.buffer {
            self.shared.tally.count(Op::CloseBuffer, buffer.close());
        }
    }

    fn close_buffer(&mut self) {
        let Some(i) = self.pick(self.buffers.len()) else { return };
        let buffer = self.buffers.swap_remove(i);
        self.shared.tally.count(Op::CloseBuffer, buffer.close());
    }

    fn close_heap(&mut self) {
        let Some(i) = self.pick(self.heaps.len()) else { return };
        let heap = self.heaps.swap_remove(i);
        self.shared.tally.count(Op::CloseHeap, heap.close());
    }
}
