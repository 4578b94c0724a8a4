//! H10-fd `buffer-outlives-heap`: the buffer is held by its descriptor (and a mapping).
//!
//! After the heap has gone: read, write, SYNC, SET_NAME, fdinfo, unmap, close.

use super::h10::{self, Outliver};
use super::{Scenario, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::rt::Mapping;

pub const SCENARIO: Scenario = Scenario {
    id: "H10-fd",
    hazard: "buffer-outlives-heap (fd)",
    play,
    expected: h10::EXPECTED,
    race: h10::racing(|s| h10::race(s, "h10-fd", race)),
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let Outliver { provider, buffer, mapping } = h10::prepare(s, "h10-fd")?;
    if !h10::heap_goes(s, &provider) {
        return Ok(());
    }
    h10::memory_works(s, &mapping)?;
    s.use_buffer(&buffer)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    h10::finish(s, &provider)
}

fn race(s: &Stage, buffer: Buffer, mapping: Mapping) -> Result<(), Stop> {
    s.start();
    h10::memory_works(s, &mapping)?;
    s.use_buffer(&buffer)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)
}
