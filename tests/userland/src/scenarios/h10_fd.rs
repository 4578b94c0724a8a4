//! H10-fd `buffer-outlives-heap`: the buffer is held by its descriptor (and a mapping).
//!
//! After the heap has gone: read, write, SYNC, SET_NAME, fdinfo, unmap, close.

use super::h10::{self, Outliver};
use super::{Scenario, Stage, Stop};

pub const SCENARIO: Scenario =
    Scenario { id: "H10-fd", hazard: "buffer-outlives-heap (fd)", play, expected: h10::EXPECTED };

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
