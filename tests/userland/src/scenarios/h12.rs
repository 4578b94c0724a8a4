//! H12 `hard-revoke`: a device is pulled out whose memory user space has mapped, and another device uses. That memory goes
//! at once, and will be something else's: whoever touches the mapping from then on must get SIGBUS, and no device may reach
//! it any more.
//!
//! 1. this process allocates a buffer in the provider's own memory, maps it and writes to it, and has the DRM device import
//!    it, which maps it for that device
//! 2. another process, the neighbour, is forked, and so has the mapping too
//! 3. the device is unplugged: the provider's memory goes back to the machine
//! 4. the neighbour reads its mapping, and so does another process, the latecomer, forked after the unplug; this process
//!    maps the buffer again
//!
//! No counting helps here, for there is nothing to keep: to keep the provider's private data, as `kref-full` does, keeps
//! no memory that left with its device. The kernel looks through all address spaces and all buffers' importers when the
//! memory is given back, and reports where it is still mapped. `lastref` unmaps it everywhere first.
//!
//! Racing: the user maps its buffer, touches it and unmaps it again and again while the remover unplugs the device: until
//! that is over it works, then it is SIGBUS, or ENODEV for a new mapping.

use super::actor::{Actor, Cue, Now};
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::drm::Drm;
use crate::judge::Conclusion;
use crate::rt::Mapping;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H12",
    hazard: "hard-revoke",
    play,
    expected: Expected { upstream: "refused(EBUSY)", lastref: "ok", ..Expected::always("frame-state") },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            lastref: "ok",
            kref_open: "frame-state|use-after-free|leak",
            // The mapping's release finds the provider kept.
            kref_full: "frame-state",
            ..Expected::always("frame-state|use-after-free")
        },
    },
};

/// The signal for an access to a mapping without memory.
const SIGBUS: u8 = 7;

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load_with("h12", "memory=own")?;
    let heap = s.open("h12")?;
    let buffer = s.allocate(&heap)?;
    s.close_heap(heap)?;
    let mapping = s.map(&buffer)?;
    s.fill(&mapping, 12);
    let importer = must("open the DRM device", Drm::render())?;
    let what = format_args!("import fd {} on renderD128", buffer.raw());
    must("import", s.taken(what, || importer.import(buffer.raw())))?;
    let gone = Cue::new()?;
    let neighbour = s.meanwhile("neighbour", |s| {
        gone.wait().map_err(|_| Errno::ETIMEDOUT)?;
        read(s, &mapping)
    })?;
    let unplugged = s.unplug(&provider);
    let latecomer = s.meanwhile("latecomer", |s| read(s, &mapping))?;
    gone.give();
    let ends = [s.until_ended(&neighbour)?, s.until_ended(&latecomer)?];
    let again = s.taken(format_args!("mmap fd {} again", buffer.raw()), || buffer.map());
    if let Err(e) = unplugged {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return Ok(());
    }
    for (actor, end) in [&neighbour, &latecomer].into_iter().zip(ends) {
        faulted(actor, end)?;
    }
    if again.err() != Some(Errno::ENODEV) {
        return Err(Stop("the buffer could be mapped again".into()));
    }
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    drop(importer);
    s.conclude(Conclusion::Ok("every mapping went with the device".into()));
    must("delete_module", s.unload(&provider))
}

fn read(s: &Stage, mapping: &Mapping) -> heaps::uapi::errno::Result<()> {
    s.taken(format_args!("read the mapping"), || {
        mapping.word(0);
        Ok(())
    })
}

fn faulted(actor: &Actor, end: Now) -> Result<(), Stop> {
    match end {
        Now::Killed(SIGBUS) => Ok(()),
        other => Err(Stop(format!("{}: {other}, instead of killed by SIGBUS", actor.who()))),
    }
}

/// How often the user maps memory that does not go.
const MAPS: usize = 16;

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h12", "memory=own")?;
    let user = |s: &Stage| {
        let heap = s.try_open("h12")?;
        let buffer = s.try_allocate(&heap)?;
        heap.close()?;
        s.start();
        (0..MAPS).try_for_each(|_| {
            let mapping = s.taken(format_args!("mmap fd {}", buffer.raw()), || buffer.map())?;
            mapping.touch();
            s.taken(format_args!("munmap"), || mapping.unmap())
        })
    };
    let remover = |s: &Stage| {
        s.start();
        s.unplug(&provider)
    };
    let [user, removed] = s.race([("user", &user), ("remover", &remover)])?;
    match user {
        Now::Killed(SIGBUS) => {}
        // Where nothing is ever unplugged, its own memory is given out once.
        Now::Done(Some(Errno::ENOMEM)) if removed == Now::Done(Some(Errno::EBUSY)) => {}
        other => well("user", other, &[Errno::ENODEV])?,
    }
    s.round_ends(removed, &provider)
}
