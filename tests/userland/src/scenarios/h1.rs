//! H1 `ioctl-after-unregister`: a process opens a heap, the heap is unregistered, and the process asks its
//! old descriptor for a buffer.
//!
//! The descriptor's private data is the heap. Where the patch's reference is the registry's alone (`kref`)
//! unregistering frees the heap and the ioctl reads freed memory. Where open takes a reference too the
//! heap is there, but not the provider's private data, which its exporter reads next. Either the ioctl is
//! refused (ENODEV), or heap and provider both have to be kept for it: then the buffer has to work.
//!
//! Racing: the user asks its descriptor for a buffer, closes the descriptor and then the buffer, while the remover
//! unbinds the device. In every round in which the remover is first in anything it is the ordering above, or H2, or H5.

use super::{Expected, Race, Scenario, Stage, Stop, race::well};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H1",
    hazard: "ioctl-after-unregister",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        kref_open: "use-after-free",
        kref_open_close: "use-after-free",
        // The buffer outlives the descriptor and drops the last reference, so that H5 stays out of this.
        kref_full: "ok",
        // The ioctl is refused as it should be, and then the close of the old descriptor is H5.
        revoke_rwlock: "use-after-free",
        revoke_rcu: "use-after-free",
        lastref: "ok",
    },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            // Nothing gives back the reference taken at open: where nothing is touched, the heap stays.
            kref_open: "use-after-free|leak",
            // The buffer outlives the descriptor, as above.
            kref_full: "ok",
            lastref: "ok",
            ..Expected::always("use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h1")?;
    let heap = s.open("h1")?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_heap(heap);
    }
    match s.try_allocate(&heap) {
        Err(Errno::ENODEV) => {
            s.conclude(Conclusion::Ok("the old descriptor is refused".into()));
            s.close_heap(heap)?;
        }
        Err(e) => return Err(Stop(format!("the old descriptor got {e} instead of ENODEV"))),
        Ok(buffer) => {
            let mapping = s.map(&buffer)?;
            s.fill(&mapping, 1);
            if !s.holds(&mapping, 1) {
                return Err(Stop("the buffer does not keep what is written to it".into()));
            }
            s.conclude(Conclusion::Ok("the old descriptor still gives good buffers".into()));
            s.unmap(mapping)?;
            s.close_heap(heap)?;
            s.close_buffer(buffer)?;
        }
    }
    super::stage::must("delete_module", s.unload(&provider))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h1", "")?;
    let user = |s: &Stage| {
        let heap = s.try_open("h1")?;
        s.start();
        let buffer = s.try_allocate(&heap);
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.taken(format_args!("close the buffer"), || buffer?.close())
    };
    let [user, removed] = s.race([("user", &user), ("remover", &|s| s.remove(&provider))])?;
    well("user", user, &[Errno::ENODEV])?;
    s.round_ends(removed, &provider)
}
