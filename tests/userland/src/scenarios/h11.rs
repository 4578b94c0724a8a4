//! H11 `remove-waits-for-user`: a process keeps a buffer, and the provider that it came from is removed. The provider's
//! memory is its own, so that its end (teardown) waits until all of it is back.
//!
//! 1. this process allocates a buffer, closes the heap, and keeps the buffer
//! 2. the remover unbinds the device: it comes back, or it is blocked
//! 3. where it is blocked it is sent SIGKILL. If that does not end the sleep, the removal hangs, for as long as this
//!    process likes
//! 4. this process closes the buffer, which is what the remover waits for, where it does
//!
//! The provider is the same under all disciplines, and so is its teardown; they differ in when it runs. Where
//! unregistering gives the provider back to its driver it runs within the removal, and waits for a user who may never
//! let go. Where buffers keep the provider (`kref-full`, `lastref`) it runs when the last of them has gone, and finds
//! nothing to wait for.
//!
//! Racing: the user asks for a buffer while the remover unbinds the device, and keeps what it gets until the remover is
//! through or blocked, as above.

use super::actor::{Cue, Now};
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H11",
    hazard: "remove-waits-for-user",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref_full: "ok",
        lastref: "ok",
        ..Expected::always("hang")
    },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            kref_full: "ok",
            lastref: "ok",
            kref_open: "hang|use-after-free|leak",
            ..Expected::always("hang|use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load_with("h11", "exit=wait")?;
    // Before there is a buffer: the remover must not share its descriptor.
    let go = Cue::new()?;
    let remover = s.meanwhile("remover", |s| {
        go.wait().map_err(|_| Errno::ETIMEDOUT)?;
        s.unbind(&provider)
    })?;
    let heap = s.open("h11")?;
    let buffer = s.allocate(&heap)?;
    s.close_heap(heap)?;
    go.give();
    let removed = s.until_still(&remover)?;
    let hangs = removed == Now::Blocked && s.outlives_sigkill(&remover)?;
    s.close_buffer(buffer)?;
    match removed {
        Now::Blocked => {
            s.until_ended(&remover)?;
        }
        Now::Done(None) => {}
        Now::Done(Some(e)) => {
            s.conclude(Conclusion::Refused(format!("{e}")));
            return Ok(());
        }
        other => return Err(Stop(format!("remover: {other}"))),
    }
    s.conclude(if hangs {
        Conclusion::Hang("the removal waits for the buffer, and cannot be killed".into())
    } else {
        Conclusion::Ok("the removal did not wait for the buffer".into())
    });
    must("delete_module", s.unload(&provider))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h11", "exit=wait")?;
    let (settled, close) = (Cue::new()?, Cue::new()?);
    let user = |s: &Stage| {
        let heap = s.try_open("h11")?;
        s.start();
        let buffer = s.try_allocate(&heap);
        s.taken(format_args!("close the heap"), || heap.close())?;
        settled.give();
        close.wait().map_err(|_| Errno::ETIMEDOUT)?;
        s.taken(format_args!("close the buffer"), || buffer?.close())
    };
    let [user, remover] = s.set_off([("user", &user), ("remover", &|s| s.remove(&provider))])?;
    s.until_still_or(&user, &settled)?;
    let removed = s.until_still(&remover)?;
    let hangs = removed == Now::Blocked && s.outlives_sigkill(&remover)?;
    close.give();
    let used = s.until_ended(&user)?;
    let removed = if removed == Now::Blocked { s.until_ended(&remover)? } else { removed };
    well("user", used, &[Errno::ENODEV])?;
    if hangs {
        s.conclude(Conclusion::Hang("the removal waits for the buffer, and cannot be killed".into()));
        return must("delete_module", s.unload(&provider));
    }
    s.round_ends(removed, &provider)
}
