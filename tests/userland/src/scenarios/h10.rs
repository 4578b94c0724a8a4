//! H10 `buffer-outlives-heap`: what its variants share.
//!
//! A process allocates a buffer, maps it, writes to it, and closes the heap. Then the heap is unregistered.
//! The buffer is all that is left, held in the variant's own way, and has to work until it is freed: its
//! exporter's name, private data and pages must not have gone with the heap.
//!
//! Racing: the user uses the buffer and gives it up, in the variant's own way, while the remover unbinds the device. What
//! it gives up early is no hazard; what the heap goes before is.

use super::race::well;
use super::{Expected, Race, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::guest::provider::Provider;
use crate::judge::Conclusion;
use crate::rt::Mapping;
use alloc::format;
use heaps::uapi::Errno;

/// Expected of every variant. Only point 3 of the review has buffers hold heap and provider.
pub const EXPECTED: Expected = Expected {
    upstream: "refused(EBUSY)",
    kref: "use-after-free",
    kref_open: "use-after-free",
    kref_open_close: "use-after-free",
    kref_full: "ok",
    // As the alternative was first put, buffers hold nothing.
    revoke_rwlock: "use-after-free",
    revoke_rcu: "use-after-free",
    lastref: "ok",
};

/// A variant's racing form.
pub const fn racing(play: fn(&mut Stage) -> Result<(), Stop>) -> Race {
    Race {
        play,
        finds: Expected {
            upstream: "refused(EBUSY)",
            // The reference taken at open is never given back.
            kref_open: "use-after-free|leak",
            kref_full: "ok",
            lastref: "ok",
            ..Expected::always("use-after-free")
        },
    }
}

/// A buffer whose heap nobody has open any more.
pub struct Outliver {
    pub provider: Provider,
    pub buffer: Buffer,
    pub mapping: Mapping,
}

/// Seed of the pattern in the buffer before the heap goes.
const BEFORE: u64 = 10;
/// And of the one written after.
const AFTER: u64 = 11;

/// Loads the provider, allocates, maps, writes, closes the heap.
pub fn prepare(s: &Stage, name: &str) -> Result<Outliver, Stop> {
    let provider = s.load(name)?;
    let (buffer, mapping) = mapped(s, name)?;
    Ok(Outliver { provider, buffer, mapping })
}

/// Allocates, maps, writes, closes the heap.
fn mapped(s: &Stage, name: &str) -> Result<(Buffer, Mapping), Stop> {
    let heap = s.open(name)?;
    let buffer = s.allocate(&heap)?;
    let mapping = s.map(&buffer)?;
    s.fill(&mapping, BEFORE);
    s.close_heap(heap)?;
    Ok((buffer, mapping))
}

/// Races the removal of heap `name` against a user with a buffer of it, who comes to the start line when it holds the
/// buffer as the variant has it, uses it and gives it up.
pub fn race(
    s: &mut Stage,
    name: &str,
    user: fn(&Stage, Buffer, Mapping) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let provider = s.have(name, "")?;
    let user = |s: &Stage| {
        let used = mapped(s, name).and_then(|(buffer, mapping)| user(s, buffer, mapping));
        used.map_err(|Stop(why)| {
            s.note(format_args!("the user stops"), why);
            Errno::EIO
        })
    };
    let [user, removed] = s.race([("user", &user), ("remover", &|s| s.remove(&provider))])?;
    well("user", user, &[])?;
    s.round_ends(removed, &provider)
}

/// Unregisters the heap: whether it went. Where it was refused, that is the conclusion.
pub fn heap_goes(s: &mut Stage, provider: &Provider) -> bool {
    let gone = s.unbind(provider);
    if let Err(e) = gone {
        s.conclude(Conclusion::Refused(format!("{e}")));
    }
    gone.is_ok()
}

/// The buffer's memory still holds what was written, and takes new data.
pub fn memory_works(s: &Stage, mapping: &Mapping) -> Result<(), Stop> {
    let kept = s.holds(mapping, BEFORE);
    s.fill(mapping, AFTER);
    if kept && s.holds(mapping, AFTER) { Ok(()) } else { Err(Stop("the buffer lost its data".into())) }
}

/// All of the buffer is gone by now: concludes and unloads the provider.
pub fn finish(s: &mut Stage, provider: &Provider) -> Result<(), Stop> {
    s.conclude(Conclusion::Ok("the buffer worked until it was freed".into()));
    super::stage::must("delete_module", s.unload(provider))
}
