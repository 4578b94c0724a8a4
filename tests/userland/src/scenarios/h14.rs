//! H14 `touch-after-put`: somebody switches the tracing of references on, and a heap is unregistered that nobody uses.
//!
//! A reference is put, and then a tracepoint (or a log line) says of which heap: it reads the heap's number after the
//! put. If that put was the last, the heap has been freed. It is the most innocent line of all, does nothing while it is
//! switched off, and none of the review's points is about it.
//!
//! 1. tracing is switched on
//! 2. the heap is unbound, and with it goes its last reference
//!
//! Under the disciplines that count by hand it is written as such lines are. In `lastref` the reference is a value that
//! the put consumes: what is said about the heap afterwards had to be read before.
//!
//! Racing: the tracer switches tracing on while the remover unbinds the device.

use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::{oracle, write_text};
use crate::judge::Conclusion;
use alloc::format;

pub const SCENARIO: Scenario = Scenario {
    id: "H14",
    hazard: "touch-after-put",
    play,
    expected: EXPECTED,
    race: Race { play: race, finds: EXPECTED },
};

const EXPECTED: Expected =
    Expected { upstream: "refused(EBUSY)", lastref: "ok", ..Expected::always("use-after-free") };

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h14")?;
    trace(s, "1")?;
    let removed = s.unbind(&provider);
    trace(s, "0")?;
    if let Err(e) = removed {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return Ok(());
    }
    s.conclude(Conclusion::Ok("the last put was traced".into()));
    must("delete_module", s.unload(&provider))
}

fn trace(s: &Stage, on: &str) -> Result<(), Stop> {
    let what = format_args!("write {on} to {}", oracle::TRACE_PUTS);
    must("trace_puts", s.taken(what, || write_text(oracle::TRACE_PUTS, on)))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h14", "")?;
    let tracer = |s: &Stage| {
        s.start();
        s.taken(format_args!("write 1 to {}", oracle::TRACE_PUTS), || write_text(oracle::TRACE_PUTS, "1"))
    };
    let [tracer, removed] = s.race([("tracer", &tracer), ("remover", &|s| s.remove(&provider))])?;
    trace(s, "0")?;
    well("tracer", tracer, &[])?;
    s.round_ends(removed, &provider)
}
