//! H5 `close-after-free`: the last close of a heap that was unregistered in the meantime.
//!
//! The cdev is part of the heap. At the last close the VFS first calls the file's release and then drops its
//! reference to the cdev: where release gave back the heap's last reference, that second step touches freed
//! memory. A reference taken at open and put at close (points 1 and 2 of the review) leads straight into it,
//! and keeping the provider (point 3) changes nothing.
//!
//! Racing: the closer closes the only descriptor while the remover unbinds the device.

use super::{Expected, Race, Scenario, Stage, Stop, race::well};
use crate::judge::Conclusion;
use alloc::format;

pub const SCENARIO: Scenario = Scenario {
    id: "H5",
    hazard: "close-after-free",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        // The heap went at unregister already; the VFS's own put is the first to touch it.
        kref: "use-after-free",
        // Nothing gives back the reference taken at open.
        kref_open: "leak",
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
            kref_open: "leak",
            lastref: "ok",
            ..Expected::always("use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h5")?;
    let heap = s.open("h5")?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_heap(heap);
    }
    s.close_heap(heap)?;
    // Whether the close touched freed memory only the kernel's reports can tell.
    s.conclude(Conclusion::Ok("the last close came back".into()));
    super::stage::must("delete_module", s.unload(&provider))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h5", "")?;
    let closer = |s: &Stage| {
        let heap = s.try_open("h5")?;
        s.start();
        s.taken(format_args!("close the heap"), || heap.close())
    };
    let [closer, removed] = s.race([("closer", &closer), ("remover", &|s| s.remove(&provider))])?;
    well("closer", closer, &[])?;
    s.round_ends(removed, &provider)
}
