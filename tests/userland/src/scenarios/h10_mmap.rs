//! H10-mmap `buffer-outlives-heap`: every descriptor is closed, a mapping alone holds the buffer.
//!
//! After the heap has gone: read and write through the mapping; unmapping it frees the buffer.

use super::h10::{self, Outliver};
use super::{Scenario, Stage, Stop};

pub const SCENARIO: Scenario =
    Scenario { id: "H10-mmap", hazard: "buffer-outlives-heap (mmap)", play, expected: h10::EXPECTED };

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
