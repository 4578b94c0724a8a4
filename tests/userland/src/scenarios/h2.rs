//! H2 `alloc-in-flight`: one process asks a heap for a buffer, and while the exporter sleeps in that call another
//! process unregisters the heap.
//!
//! 1. the allocator opens the heap and asks for a buffer; it is made to wait in the provider's `allocate`
//! 2. the remover unbinds the device: it comes back, or it waits for the call
//! 3. the allocator goes on: the call reads and writes the provider's private data
//! 4. the remover, if it waited, comes back
//! 5. the allocator uses the buffer, if it got one, closes the heap, then the buffer
//!
//! Where nobody keeps the provider for the call (`kref` to `kref-open-close`) it is freed under it. `kref-full` keeps it
//! by the file's reference. The disciplines that revoke make the remover wait for the call, as they should; but the
//! buffer that comes of it holds nothing, and its release finds the provider gone (H10), or the close of the descriptor
//! finds the heap gone (H5). `lastref` waits too, and its buffer holds what it needs.
//!
//! Racing: the allocator has the heap open and asks for a buffer four times over, while the remover unbinds the device;
//! then it closes the heap, and the buffers last.

use super::actor::{Actor, Cue, Now};
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop, race};
use crate::guest::meet::ALLOCATE;
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::errno::{Errno, Result};

pub const SCENARIO: Scenario = Scenario {
    id: "H2",
    hazard: "alloc-in-flight",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        kref_open: "use-after-free",
        kref_open_close: "use-after-free",
        kref_full: "ok",
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        lastref: "ok",
    },
    race: Race {
        play: racing,
        finds: Expected {
            upstream: "refused(EBUSY)",
            kref_open: "use-after-free|leak",
            kref_full: "ok",
            lastref: "ok",
            ..Expected::always("use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> core::result::Result<(), Stop> {
    let provider = s.load("h2")?;
    s.arm(ALLOCATE)?;
    let removed_it = Cue::new()?;
    let allocator = s.meanwhile("allocator", |s| allocate(s, &removed_it))?;
    s.until_there(&allocator, ALLOCATE)?;
    let remover = s.meanwhile("remover", |s| s.unbind(&provider))?;
    let removed = s.until_still(&remover)?;
    s.go(ALLOCATE)?;
    if removed == Now::Blocked {
        s.until_done(&remover)?;
    }
    removed_it.give();
    let allocated = s.until_ended(&allocator)?;
    if let Now::Done(Some(e)) = removed {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return Ok(());
    }
    well(&allocator, allocated)?;
    s.conclude(Conclusion::Ok("the call in flight came to a good end".into()));
    must("delete_module", s.unload(&provider))
}

fn allocate(s: &Stage, removed: &Cue) -> Result<()> {
    let heap = s.try_open("h2")?;
    match s.try_allocate(&heap) {
        Ok(buffer) => {
            removed.wait().map_err(|_| Errno::ETIMEDOUT)?;
            let mapping = buffer.map()?;
            s.fill(&mapping, 2);
            let kept = s.holds(&mapping, 2);
            mapping.unmap()?;
            s.taken(format_args!("close the heap"), || heap.close())?;
            s.taken(format_args!("close the buffer"), || buffer.close())?;
            if kept { Ok(()) } else { Err(Errno::EIO) }
        }
        Err(Errno::ENODEV) => s.taken(format_args!("close the heap"), || heap.close()),
        Err(other) => Err(other),
    }
}

fn well(actor: &Actor, now: Now) -> core::result::Result<(), Stop> {
    match now {
        Now::Done(None) => Ok(()),
        other => Err(Stop(format!("{}: {other}", actor.who()))),
    }
}

fn racing(s: &mut Stage) -> core::result::Result<(), Stop> {
    let provider = s.have("h2", "")?;
    let allocator = |s: &Stage| {
        let heap = s.try_open("h2")?;
        s.start();
        let buffers = [(); 4].map(|()| s.try_allocate(&heap));
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.taken(format_args!("close the buffers"), || {
            buffers.into_iter().try_for_each(|buffer| buffer.map_or(Ok(()), |buffer| buffer.close()))
        })
    };
    let [allocator, removed] = s.race([("allocator", &allocator), ("remover", &|s| s.remove(&provider))])?;
    race::well("allocator", allocator, &[])?;
    s.round_ends(removed, &provider)
}
