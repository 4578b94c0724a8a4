//! H10-dup `buffer-outlives-heap`: the descriptor that ALLOC gave is closed, a duplicate holds the buffer.
//!
//! After the heap has gone: map afresh through the duplicate, read, write, SYNC, SET_NAME, fdinfo, close.

use super::h10::{self, Outliver};
use super::stage::must;
use super::{Scenario, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::rt::Mapping;

pub const SCENARIO: Scenario = Scenario {
    id: "H10-dup",
    hazard: "buffer-outlives-heap (dup)",
    play,
    expected: h10::EXPECTED,
    race: h10::racing(|s| h10::race(s, "h10-dup", race)),
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let Outliver { provider, buffer, mapping } = h10::prepare(s, "h10-dup")?;
    s.unmap(mapping)?;
    let duplicate = must("dup", buffer.duplicate())?;
    s.note(format_args!("dup fd {}", buffer.raw()), format_args!("fd {}", duplicate.raw()));
    s.close_buffer(buffer)?;
    if !h10::heap_goes(s, &provider) {
        return Ok(());
    }
    let mapping = s.map(&duplicate)?;
    h10::memory_works(s, &mapping)?;
    s.unmap(mapping)?;
    s.use_buffer(&duplicate)?;
    s.close_buffer(duplicate)?;
    h10::finish(s, &provider)
}

fn race(s: &Stage, buffer: Buffer, mapping: Mapping) -> Result<(), Stop> {
    s.unmap(mapping)?;
    let duplicate = must("dup", buffer.duplicate())?;
    s.close_buffer(buffer)?;
    s.start();
    let mapping = s.map(&duplicate)?;
    h10::memory_works(s, &mapping)?;
    s.unmap(mapping)?;
    s.close_buffer(duplicate)
}
