//! H10-scm `buffer-outlives-heap`: every descriptor and mapping is closed, the buffer is in flight between two sockets.
//!
//! It was sent twice. After the heap has gone: receive one, map it, read, write, SYNC, SET_NAME, fdinfo, close. Closing
//! the sockets, with the other still in flight, frees the buffer.

use super::h10::{self, Outliver};
use super::stage::must;
use super::{Scenario, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::rt::{Mapping, abi, socket};

pub const SCENARIO: Scenario = Scenario {
    id: "H10-scm",
    hazard: "buffer-outlives-heap (scm)",
    play,
    expected: h10::EXPECTED,
    race: h10::racing(|s| h10::race(s, "h10-scm", race)),
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let Outliver { provider, buffer, mapping } = h10::prepare(s, "h10-scm")?;
    let [here, there] = must("socketpair", socket::pair(abi::SOCK_STREAM))?;
    s.send_buffer(&here, &buffer)?;
    s.send_buffer(&here, &buffer)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    if !h10::heap_goes(s, &provider) {
        return Ok(());
    }
    let received = s.receive_buffer(&there)?;
    let mapping = s.map(&received)?;
    h10::memory_works(s, &mapping)?;
    s.unmap(mapping)?;
    s.use_buffer(&received)?;
    s.close_buffer(received)?;
    must("close", s.taken(format_args!("close the sender"), || here.close()))?;
    must("close", s.taken(format_args!("close the receiver, and what is in flight"), || there.close()))?;
    h10::finish(s, &provider)
}

fn race(s: &Stage, buffer: Buffer, mapping: Mapping) -> Result<(), Stop> {
    let [here, there] = must("socketpair", socket::pair(abi::SOCK_STREAM))?;
    s.send_buffer(&here, &buffer)?;
    s.send_buffer(&here, &buffer)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    s.start();
    let received = s.receive_buffer(&there)?;
    s.use_buffer(&received)?;
    s.close_buffer(received)?;
    must("close", s.taken(format_args!("close the sender"), || here.close()))?;
    must("close", s.taken(format_args!("close the receiver, and what is in flight"), || there.close()))
}
