//! H6 `reopen-cached-cdev`: a process has a heap open, the heap is unregistered, and the process opens it again, not by
//! its name but through `/proc/self/fd/N`. That leads to the node's inode, which remembers the cdev that its first open
//! found, whatever has become of the number since. Two variants:
//!
//! - H6-fd: nothing else happened meanwhile;
//! - H6-minor: another heap was registered meanwhile, which may have been given the minor number of the old one.
//!
//! 1. the process opens the heap, and somebody unbinds the device
//! 2. H6-minor: another heap is registered
//! 3. the process opens `/proc/self/fd/N` and says which heap it got: the old one, the other one, or none
//!
//! Under `kref` the inode remembers a cdev in freed memory. Where open counts, the open descriptor keeps the old heap,
//! and its cdev: it can be opened again after its end, which is the zombie of H4 by another door, and its last close is
//! H5. It keeps its minor too, so that the number never means another heap: "another heap" takes a number that is given
//! back while an inode remembers it, and the only discipline that does that, `kref`, is caught before it gets there.
//! Under `lastref` the old descriptor's cdev leads to the shell, and that has no heap any more: ENODEV.
//!
//! Racing: the user has the heap open, and opens `/proc/self/fd/N` again while the remover unbinds the device and, in
//! H6-minor, registers another heap at once. An open that began after the remover had come back must fail, and no open
//! may lead to the other heap.

use super::actor::{Cue, Now};
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::heap::Heap;
use crate::guest::provider::Provider;
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const FD: Scenario = Scenario {
    id: "H6-fd",
    hazard: "reopen-cached-cdev",
    play: reopen_alone,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        // The zombie never goes: nothing gives the references back.
        kref_open: "zombie",
        kref_open_close: "use-after-free",
        kref_full: "use-after-free",
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        lastref: "ok",
    },
    race: Race { play: race_alone, finds: FINDS },
};

pub const MINOR: Scenario = Scenario {
    id: "H6-minor",
    hazard: "reopen-cached-cdev",
    play: reopen_beside_another,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        // These four never come to step 3. The old heap is on the list still, for its descriptor counts, and its name
        // went with its provider: registering the other heap compares the two (H15-list).
        kref_open: "use-after-free",
        kref_open_close: "use-after-free",
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        // Its provider, and so its name, is kept: reopened as a zombie, then H5.
        kref_full: "use-after-free",
        lastref: "ok",
    },
    race: Race { play: race_beside_another, finds: FINDS },
};

const FINDS: Expected = Expected {
    upstream: "refused(EBUSY)",
    kref_open: "zombie|leak|use-after-free",
    lastref: "ok",
    ..Expected::always("use-after-free|zombie|wrong-heap")
};

fn reopen_alone(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h6")?;
    let old = s.open("h6")?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_heap(old);
    }
    reopen(s, &old, false)?;
    s.close_heap(old)?;
    must("delete_module", s.unload(&provider))
}

fn reopen_beside_another(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h6-old")?;
    let old = s.open("h6-old")?;
    let device = s.device(&old)?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_heap(old);
    }
    let other = must("init_module", s.load_beside("h6-new", 2))?;
    let new = s.open("h6-new")?;
    let reused = s.device(&new)? == device;
    s.close_heap(new)?;
    reopen(s, &old, reused)?;
    s.close_heap(old)?;
    must("delete_module", s.unload(&other))?;
    must("delete_module", s.unload(&provider))
}

/// Opens the old descriptor's inode again, and concludes. Which heap it got is asked only where the minor was reused:
/// asking an unregistered heap for a buffer is H1.
fn reopen(s: &mut Stage, old: &Heap, reused: bool) -> Result<(), Stop> {
    match s.reopen(old) {
        Err(Errno::ENODEV | Errno::ENXIO) => s.conclude(Conclusion::Ok("nothing to open any more".into())),
        Err(e) => return Err(Stop(format!("reopening got {e} instead of ENODEV"))),
        Ok(heap) => {
            s.conclude(if reused && s.exporter_of(&heap)? == "h6-new" {
                Conclusion::WrongHeap("the old descriptor leads to the new heap".into())
            } else {
                Conclusion::Zombie("the heap can be opened after it was unregistered".into())
            });
            s.close_heap(heap)?;
        }
    }
    Ok(())
}

fn race_alone(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h6", "")?;
    let removed = Cue::new()?;
    let remover = |s: &Stage| s.remove(&provider).inspect(|()| removed.give());
    let [user, gone] = s.race([("user", &|s| keep_reopening(s, "h6", &removed)), ("remover", &remover)])?;
    conclude_race(s, user)?;
    s.round_ends(gone, &provider)
}

fn race_beside_another(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h6-old", "")?;
    let removed = Cue::new()?;
    let remover = |s: &Stage| {
        s.remove(&provider).inspect(|()| removed.give())?;
        s.load_beside("h6-new", 2).map(drop)
    };
    let [user, gone] =
        s.race([("user", &|s| keep_reopening(s, "h6-old", &removed)), ("remover", &remover)])?;
    conclude_race(s, user)?;
    if gone == Now::Done(None) {
        must("delete_module", s.unload(&Provider::instance("h6-new", 2)))?;
    }
    s.round_ends(gone, &provider)
}

/// How often the user opens a heap that does not go.
const OPENS: usize = 8;

/// EEXIST is an open that came too late and worked, EXDEV another heap's.
fn keep_reopening(s: &Stage, name: &str, removed: &Cue) -> heaps::uapi::errno::Result<()> {
    let old = s.try_open(name)?;
    let device = old.device()?;
    s.start();
    let late = (0..OPENS).try_for_each(|_| {
        let too_late = removed.is_given();
        let again = s.reopen(&old)?;
        let other = again.device()? != device;
        s.taken(format_args!("close it again"), || again.close())?;
        match (other, too_late) {
            (true, _) => Err(Errno::EXDEV),
            (_, true) => Err(Errno::EEXIST),
            _ => Ok(()),
        }
    });
    s.taken(format_args!("close the old descriptor"), || old.close())?;
    late
}

fn conclude_race(s: &mut Stage, user: Now) -> Result<(), Stop> {
    match user {
        Now::Done(Some(Errno::EXDEV)) => {
            s.conclude(Conclusion::WrongHeap("the old descriptor leads to the new heap".into()));
        }
        Now::Done(Some(Errno::EEXIST)) => {
            s.conclude(Conclusion::Zombie("the heap was opened after it was unregistered".into()));
        }
        other => well("user", other, &[Errno::ENODEV, Errno::ENXIO])?,
    }
    Ok(())
}
