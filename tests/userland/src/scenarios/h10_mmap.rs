//! H10-mmap `buffer-outlives-heap`: every descriptor is closed, a mapping alone holds the buffer.
//!
//! After the heap has gone: read and write through the mapping; unmapping it frees the buffer.

use super::h10::{self, Outliver};
use super::{Scenario, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::rt::Mapping;

pub const SCENARIO: Scenario = Scenario {
    id: "H10-mmap",
    hazard: "buffer-outlives-heap (mmap)",
    play,
    expected: h10::EXPECTED,
    race: h10::racing(|s| h10::race(s, "h10-mmap", race)),
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let Outliver { provider, buffer, mapping } = h10::prepare(s, "h10-mmap")?;
    s.close_buffer(buffer)?;
    if !h10::heap_goes(s, &provider) {
        return Ok(());
    }
    h10::memory_works(s, &mapping)?;
    s.unmap(mapping)?;
    h10::finish(s, &provider)
}

fn race(s: &Stage, buffer: Buffer, mapping: Mapping) -> Result<(), Stop> {
    s.close_buffer(buffer)?;
    s.start();
    h10::memory_works(s, &mapping)?;
    s.unmap(mapping)
}
