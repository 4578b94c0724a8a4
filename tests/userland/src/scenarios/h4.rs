//! H4 `unpublish-tied-to-free`: a heap is unregistered while a descriptor is open, and then opened again by
//! its name.
//!
//! Where leaving the list and removing the node are done by the last put, an open descriptor keeps the heap
//! findable: each new open takes a new reference, and the heap can be kept alive for ever by a process that
//! came after its end. After unregistering the name must be gone (ENOENT), whoever still has a descriptor.
//!
//! Racing: the user has a descriptor and opens the name again and again while the remover unbinds the device. An open
//! that began after the remover had come back must fail. Then the user closes all it has.

use super::actor::{Cue, Now};
use super::race::well;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H4",
    hazard: "unpublish-tied-to-free",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        // The name is gone, but so is the heap, and the old descriptor's close touches its cdev.
        kref: "use-after-free",
        // The reopened heap never goes: nothing gives the references back.
        kref_open: "zombie",
        // A zombie first; then its last close is H5.
        kref_open_close: "use-after-free",
        kref_full: "use-after-free",
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        lastref: "ok",
    },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            kref_open: "zombie|leak|use-after-free",
            lastref: "ok",
            ..Expected::always("use-after-free|zombie")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h4")?;
    let old = s.open("h4")?;
    let device = s.device(&old)?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_heap(old);
    }
    match s.try_open("h4") {
        Err(Errno::ENOENT) => s.conclude(Conclusion::Ok("the name is gone".into())),
        Err(e) => return Err(Stop(format!("open by name got {e} instead of ENOENT"))),
        Ok(again) => {
            let same = s.device(&again)? == device;
            let which = if same { "the same heap" } else { "a heap" };
            s.conclude(Conclusion::Zombie(format!("{which} can be opened after it was unregistered")));
            s.close_heap(again)?;
        }
    }
    s.close_heap(old)?;
    super::stage::must("delete_module", s.unload(&provider))
}

/// How often the user opens a heap that does not go.
const OPENS: usize = 8;

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h4", "")?;
    let removed = Cue::new()?;
    let user = |s: &Stage| {
        let old = s.try_open("h4")?;
        s.start();
        let late = (0..OPENS).try_for_each(|_| {
            let too_late = removed.is_given();
            let again = s.try_open("h4")?;
            s.taken(format_args!("close it again"), || again.close())?;
            if too_late { Err(Errno::EEXIST) } else { Ok(()) }
        });
        s.taken(format_args!("close the old descriptor"), || old.close())?;
        late
    };
    let remover = |s: &Stage| s.remove(&provider).inspect(|()| removed.give());
    let [user, gone] = s.race([("user", &user), ("remover", &remover)])?;
    if user == Now::Done(Some(Errno::EEXIST)) {
        s.conclude(Conclusion::Zombie("the heap was opened after it was unregistered".into()));
    } else {
        well("user", user, &[Errno::ENOENT, Errno::ENODEV, Errno::ENXIO])?;
    }
    s.round_ends(gone, &provider)
}
