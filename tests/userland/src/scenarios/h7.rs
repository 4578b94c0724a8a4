//! H7 `failed-add`: the registration of a heap fails after its device went live, and a process has opened it meanwhile.
//! Two variants, by why it fails:
//!
//! - H7-dup: the name is another heap's;
//! - H7-node: somebody has made a directory of that name in /dev/dma_heap, so that there can be no node.
//!
//! 1. a node is made by hand (mknod) with the number that the next heap will get: the lowest that is free
//! 2. the loader loads a provider whose registration will fail; it is made to wait when its device is live
//! 3. the opener opens the node by hand: it gets a descriptor, or an error, or waits for the outcome
//! 4. the registration goes on, and fails; then the opener closes what it got
//!
//! Registering as upstream does it goes live first and finds out then: the error path frees a heap that somebody has
//! open. No discipline that counts changes that order, and no count is asked on the error path; so H7 is there under
//! `upstream` too, where nothing is ever unregistered. `lastref` claims the name before anything can be opened (H7-dup
//! never comes to step 3), and makes who opens the device meanwhile wait until nothing can fail any more (H7-node).
//!
//! Racing: the opener opens the node by hand again and again while the loader loads the provider whose registration
//! fails, until it gets a descriptor, which it closes, or the loader is through.

use super::actor::{Cue, Now};
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::heap::Heap;
use crate::guest::meet::LIVE;
use crate::judge::Conclusion;
use crate::rt::{abi, file};
use alloc::format;
use heaps::uapi::dma_heap::DEV_DIR;
use heaps::uapi::errno::{Errno, Result};

const EXPECTED: Expected = Expected { lastref: "ok", ..Expected::always("use-after-free") };

pub const DUP: Scenario =
    Scenario { id: "H7-dup", hazard: "failed-add", play: |s| play(s, FIRST), expected: EXPECTED, race: RACE };

const RACE: Race = Race { play: |s| race(s, FIRST), finds: FINDS };

/// What was opened and closed in time leaves no trace; what was opened and not seen to end is a zombie.
const FINDS: Expected = Expected {
    // Where nothing is found, the heap beside it could not be unregistered.
    upstream: "use-after-free|zombie|refused(EBUSY)",
    lastref: "ok",
    ..Expected::always("use-after-free|zombie")
};

pub const NODE: Scenario = Scenario {
    id: "H7-node",
    hazard: "failed-add",
    play: |s| {
        let squat = format!("{DEV_DIR}h7-taken");
        must("mkdir", s.taken(format_args!("mkdir {squat}"), || file::mkdir(&squat)))?;
        play(s, "h7-taken")?;
        must("rmdir", file::unlink(&squat, abi::AT_REMOVEDIR))
    },
    expected: EXPECTED,
    race: Race {
        play: |s| {
            let squat = format!("{DEV_DIR}h7-taken");
            must("mkdir", s.taken(format_args!("mkdir {squat}"), || file::mkdir(&squat)))?;
            let raced = race(s, "h7-taken");
            must("rmdir", file::unlink(&squat, abi::AT_REMOVEDIR))?;
            raced
        },
        finds: FINDS,
    },
};

/// The heap whose minor the next one's follows.
const FIRST: &str = "h7";
/// The node made by hand.
const NODE_PATH: &str = "/run/h7";

fn play(s: &mut Stage, name: &str) -> core::result::Result<(), Stop> {
    let first = s.load(FIRST)?;
    let next = s.number(FIRST)? + 1;
    let made = s.taken(format_args!("mknod {NODE_PATH} rdev {next:#x}"), || file::mknod(NODE_PATH, next));
    must("mknod", made)?;
    let (opened, failed) = (Cue::new()?, Cue::new()?);
    s.arm(LIVE)?;
    let loader = s.meanwhile("loader", |s| s.load_beside(name, 2).map(drop))?;
    let live = s.until_there(&loader, LIVE)?;
    if live == Now::There {
        let opener = s.meanwhile("opener", |s| open(s, &opened, &failed))?;
        s.until_still_or(&opener, &opened)?;
        s.go(LIVE)?;
        s.until_ended(&loader)?;
        failed.give();
        let end = s.until_ended(&opener)?;
        conclude(s, end, &opened)?;
    } else {
        s.go(LIVE)?;
        s.conclude(Conclusion::Ok(format!("{live} before anybody could open it")));
    }
    must("unlink", file::unlink(NODE_PATH, 0))?;
    must("delete_module", s.unload(&first))
}

fn open(s: &Stage, opened: &Cue, failed: &Cue) -> Result<()> {
    let heap = s.taken(format_args!("open {NODE_PATH}"), || Heap::open_path(NODE_PATH))?;
    opened.give();
    failed.wait().map_err(|_| Errno::ETIMEDOUT)?;
    s.taken(format_args!("close {NODE_PATH}"), || heap.close())
}

fn conclude(s: &mut Stage, opener: Now, opened: &Cue) -> core::result::Result<(), Stop> {
    match opener {
        Now::Done(Some(Errno::ENODEV | Errno::ENXIO)) => {
            s.conclude(Conclusion::Ok("who opened it found that it never was".into()));
        }
        Now::Done(None) if opened.is_given() => {
            s.conclude(Conclusion::Zombie("a heap was opened that was never registered".into()));
        }
        other => return Err(Stop(format!("opener: {other}"))),
    }
    Ok(())
}

fn race(s: &mut Stage, name: &str) -> core::result::Result<(), Stop> {
    let first = s.have(FIRST, "")?;
    let next = s.number(FIRST)? + 1;
    must(
        "mknod",
        s.taken(format_args!("mknod {NODE_PATH} rdev {next:#x}"), || file::mknod(NODE_PATH, next)),
    )?;
    let failed = Cue::new()?;
    let loader = |s: &Stage| {
        s.start();
        let loaded = s.load_beside(name, 2);
        failed.give();
        loaded.map(drop)
    };
    let opener = |s: &Stage| {
        s.start();
        let opened = loop {
            let over = failed.is_given();
            match Heap::open_path(NODE_PATH) {
                Err(Errno::ENXIO | Errno::ENODEV) if !over => {}
                other => break other,
            }
        };
        let heap = s.taken(format_args!("open {NODE_PATH}"), || opened)?;
        s.taken(format_args!("close {NODE_PATH}"), || heap.close())
    };
    let [loaded, opened] = s.race([("loader", &loader), ("opener", &opener)])?;
    must("unlink", file::unlink(NODE_PATH, 0))?;
    well("loader", loaded, &[Errno::EEXIST, Errno::EINVAL])?;
    let zombie = opened == Now::Done(None);
    if zombie {
        s.conclude(Conclusion::Zombie("a heap was opened that was never registered".into()));
    } else {
        well("opener", opened, &[Errno::ENODEV, Errno::ENXIO])?;
    }
    match s.unload(&first) {
        Ok(()) if !zombie => {
            s.conclude(Conclusion::Ok("who opened it found that it never was".into()));
            Ok(())
        }
        // Upstream keeps it, for the next round.
        Err(Errno::EBUSY) if !zombie => {
            s.conclude(Conclusion::Refused(format!("{}", Errno::EBUSY)));
            Ok(())
        }
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(e) => Err(Stop(format!("delete_module: {e}"))),
    }
}
