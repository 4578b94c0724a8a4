//! H3 `open-vs-last-put`: a process opens a heap, and while it is on its way another process unregisters the heap and
//! drops the last reference. Two variants, by how far the opener has come:
//!
//! - H3-get: the driver has looked the minor up and found the heap, and is about to take a reference;
//! - H3-open: the VFS has found the device and holds its cdev, and is about to call the driver.
//!
//! 1. the opener opens the heap by name, and is made to wait there
//! 2. the remover unbinds the device: it comes back, or it waits for the opener
//! 3. the opener goes on; when the remover has come back, it closes what it got
//!
//! H3-get is what point 1 of the review is about: under `kref` the opener gets a descriptor of a heap that is freed
//! behind its back. `kref_get_unless_zero` under the lock of the look-up answers it, in every discipline that has it:
//! the count is zero, the open is refused. (The lock keeps the heap's memory until then: the remover waits for it.)
//!
//! H3-open is what the point does not reach. The reference that the VFS holds while it opens is the cdev's, and the
//! cdev is part of the heap. Nothing keeps the heap for it: the driver refuses the open correctly, for the minor leads
//! nowhere any more, and then the VFS drops its cdev, in freed memory. Under `lastref` the cdev's reference counts on
//! the shell, so that there is no such moment.
//!
//! Racing: the opener opens the heap by name while the remover unbinds the device, and closes it when the remover is
//! through (H3-get), or opens and closes it again and again until it cannot be opened any more (H3-open). In both, who
//! got the heap in time and closes it late is H5; the place that a report names tells them apart.

use super::actor::{Cue, Now};
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop, race};
use crate::guest::meet::{FOUND, OPEN};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

pub const GET: Scenario = Scenario {
    id: "H3-get",
    hazard: "open-vs-last-put",
    play: |s| play(s, "h3-get", FOUND),
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        kref_open: "ok",
        kref_open_close: "ok",
        kref_full: "ok",
        revoke_rwlock: "ok",
        revoke_rcu: "ok",
        lastref: "ok",
    },
    race: Race { play: race_get, finds: FINDS },
};

pub const OPENING: Scenario = Scenario {
    id: "H3-open",
    hazard: "open-vs-last-put",
    play: |s| play(s, "h3-open", OPEN),
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        kref_open: "use-after-free",
        kref_open_close: "use-after-free",
        kref_full: "use-after-free",
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        lastref: "ok",
    },
    race: Race { play: race_open, finds: FINDS },
};

const FINDS: Expected = Expected {
    upstream: "refused(EBUSY)",
    kref_open: "use-after-free|leak",
    lastref: "ok",
    ..Expected::always("use-after-free")
};

fn play(s: &mut Stage, name: &str, point: &str) -> core::result::Result<(), Stop> {
    let provider = s.load(name)?;
    let removed = Cue::new()?;
    s.arm(point)?;
    let opener = s.meanwhile("opener", |s| open(s, name, &removed))?;
    s.until_there(&opener, point)?;
    let remover = s.meanwhile("remover", |s| s.unbind(&provider))?;
    let now = s.until_still(&remover)?;
    s.go(point)?;
    let now = if now == Now::Blocked { s.until_ended(&remover)? } else { now };
    removed.give();
    s.until_done(&opener)?;
    match now {
        Now::Done(None) => {}
        Now::Done(Some(e)) => {
            s.conclude(Conclusion::Refused(format!("{e}")));
            return Ok(());
        }
        other => return Err(Stop(format!("remover: {other}"))),
    }
    s.conclude(Conclusion::Ok("the opener came to a good end".into()));
    must("delete_module", s.unload(&provider))
}

fn open(s: &Stage, name: &str, removed: &Cue) -> Result<()> {
    match s.try_open(name) {
        Ok(heap) => {
            removed.wait().map_err(|_| Errno::ETIMEDOUT)?;
            s.taken(format_args!("close the heap"), || heap.close())
        }
        // Gone while it was being opened.
        Err(Errno::ENODEV | Errno::ENXIO | Errno::ENOENT) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Gone while it was being opened.
const GONE: [Errno; 3] = [Errno::ENODEV, Errno::ENXIO, Errno::ENOENT];

fn race_get(s: &mut Stage) -> core::result::Result<(), Stop> {
    let provider = s.have("h3-get", "")?;
    let through = Cue::new()?;
    let opener = |s: &Stage| {
        s.start();
        open(s, "h3-get", &through)
    };
    let remover = |s: &Stage| {
        let removed = s.remove(&provider);
        through.give();
        removed
    };
    let [opener, removed] = s.race([("opener", &opener), ("remover", &remover)])?;
    race::well("opener", opener, &[])?;
    s.round_ends(removed, &provider)
}

/// How often the opener opens a heap that does not go.
const OPENS: usize = 6;

fn race_open(s: &mut Stage) -> core::result::Result<(), Stop> {
    let provider = s.have("h3-open", "")?;
    let opener = |s: &Stage| {
        s.start();
        (0..OPENS).try_for_each(|_| {
            let heap = s.try_open("h3-open")?;
            s.taken(format_args!("close the heap"), || heap.close())
        })
    };
    let [opener, removed] = s.race([("opener", &opener), ("remover", &|s| s.remove(&provider))])?;
    race::well("opener", opener, &GONE)?;
    s.round_ends(removed, &provider)
}
