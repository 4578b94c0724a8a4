//! H13 `lock-order`: the end of a provider against the release of a buffer, which need the same two things in opposite
//! order.
//!
//! The provider has a lock, under which buffers are given back. Its end (teardown) takes the lock and waits under it
//! until all buffers are back: to give one back takes the lock that the end holds.
//!
//! 1. this process allocates a buffer, closes the heap, and keeps the buffer
//! 2. the remover unbinds the device: it comes back, or it is blocked
//! 3. the user (another process with the buffer) closes the buffer for good: it comes back, or it is blocked too
//!
//! The kernel reports it when the wait begins under the lock, for the two are in its written order; that both processes
//! then wait for each other for ever is step 3. As with H11 it is a matter of when the teardown runs: where buffers keep
//! the provider (`kref-full`, `lastref`) there is none left by then, and nothing to wait for.
//!
//! The other pairs that can meet were looked at and are in the written order under every discipline (`sync/order.rs`,
//! checked at every lock taken in every scenario): the last put takes the list's lock and the names' one after the
//! other, and nobody allocates under them. H8 is the one where the last put comes under the list's lock. What no
//! discipline that waits for calls in flight can help, `lastref` among them, is a provider that unregisters under a lock
//! that its own `allocate` takes.
//!
//! Racing: the user closes its buffer while the remover unbinds the device. Where the remover is first it waits under
//! the lock for a user who is on its way, and the user for the lock.

use super::actor::{Cue, Now};
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

/// The lock held, and what is waited for under it.
const DEADLOCK: &str = "deadlock(PROVIDER,DRAINED)";

pub const SCENARIO: Scenario = Scenario {
    id: "H13",
    hazard: "lock-order",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref_full: "ok",
        lastref: "ok",
        ..Expected::always(DEADLOCK)
    },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            kref_full: "ok",
            lastref: "ok",
            // A buffer that is given back late finds no provider (H10).
            kref_open: "deadlock|use-after-free|leak",
            ..Expected::always("deadlock|use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load_with("h13", "exit=wait-locked")?;
    let (allocated, close) = (Cue::new()?, Cue::new()?);
    let late = |_| Errno::ETIMEDOUT;
    let user = s.meanwhile("user", |s| {
        let heap = s.try_open("h13")?;
        let buffer = s.try_allocate(&heap)?;
        s.taken(format_args!("close the heap"), || heap.close())?;
        allocated.give();
        close.wait().map_err(late)?;
        s.taken(format_args!("close the buffer"), || buffer.close())
    })?;
    s.until_still_or(&user, &allocated)?;
    let remover = s.meanwhile("remover", |s| s.unbind(&provider))?;
    let removed = s.until_still(&remover)?;
    close.give();
    let closed = s.until_still(&user)?;
    if let Now::Done(Some(e)) = removed {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return Ok(());
    }
    if closed == Now::Blocked {
        return Err(Stop("remover and user wait for each other".into()));
    }
    if removed == Now::Blocked {
        s.until_done(&remover)?;
    }
    s.conclude(Conclusion::Ok("removal and release did not meet".into()));
    must("delete_module", s.unload(&provider))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h13", "exit=wait-locked")?;
    let user = |s: &Stage| {
        let heap = s.try_open("h13")?;
        let buffer = s.try_allocate(&heap)?;
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.start();
        s.taken(format_args!("close the buffer"), || buffer.close())
    };
    let [user, removed] = s.race([("user", &user), ("remover", &|s| s.remove(&provider))])?;
    well("user", user, &[])?;
    s.round_ends(removed, &provider)
}
