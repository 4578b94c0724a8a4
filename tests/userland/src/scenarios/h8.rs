//! H8 `find-put-deadlock`: a driver looks a heap up by its name, and on its way passes another heap whose last reference
//! it happens to put.
//!
//! 1. the finder looks for a name that nobody has. Within the kernel it walks the list of heaps, with the list's lock
//!    held; it is made to wait when it has compared our heap, and is about to let it go
//! 2. the remover unbinds our heap: the registration's reference is put
//! 3. the finder goes on
//!
//! Where references are counted, the natural way to write the search takes one to each heap before it looks at it, and
//! puts it when the name is another. If that put is the last, releasing the heap takes it off the list, for which it
//! wants the lock that the finder holds: it waits for itself. So it is in every discipline whose open counts, which all
//! say `deadlock` with the lock's name. Under `kref` and `upstream` nobody but the registration counts; `kref`
//! pays for it elsewhere. `lastref` touches only the heap whose name it is, and puts nothing under the lock.
//!
//! Racing: the finder looks for it over and over while the remover unbinds our heap. It has our heap for some
//! instructions of each look; the remover's put has to fall there.

use super::actor::Now;
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::{meet, oracle, write_text};
use crate::judge::Conclusion;
use crate::rt::{Fd, abi, file};
use alloc::format;
use heaps::uapi::Errno;

/// The list's lock, wanted by its holder.
const DEADLOCK: &str = "deadlock(HEAP_LIST)";

pub const SCENARIO: Scenario = Scenario {
    id: "H8",
    hazard: "find-put-deadlock",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "ok",
        lastref: "ok",
        ..Expected::always(DEADLOCK)
    },
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            // The finder takes no reference, and holds the lock: the heap cannot go meanwhile.
            kref: "ok",
            lastref: "ok",
            // The heap's name goes before the heap where nobody keeps the provider (H15-list).
            kref_full: DEADLOCK,
            ..Expected::always("deadlock|use-after-free")
        },
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h8")?;
    let minor = s.number("h8")? & 0xff;
    let what = format_args!("arm `{}` for minor {minor}", meet::COMPARED);
    must("meet", s.taken(what, || meet::arm_for(meet::COMPARED, minor)))?;
    let finder = s.meanwhile("finder", |s| {
        s.taken(format_args!("find h8-nobody"), || write_text(oracle::FIND, "h8-nobody"))
    })?;
    s.until_there(&finder, meet::COMPARED)?;
    let remover = s.meanwhile("remover", |s| s.unbind(&provider))?;
    let removed = s.until_still(&remover)?;
    s.go(meet::COMPARED)?;
    match s.until_ended(&finder)? {
        Now::Done(Some(Errno::ENOENT)) => {}
        other => return Err(Stop(format!("finder: {other}"))),
    }
    if let Now::Done(Some(e)) = removed {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return Ok(());
    }
    if removed == Now::Blocked {
        s.until_done(&remover)?;
    }
    s.conclude(Conclusion::Ok("the finder found nothing, and the heap went".into()));
    must("delete_module", s.unload(&provider))
}

/// How often the finder looks: about as long as the remover takes, and no more steps than are kept of a round.
const LOOKS: usize = 96;

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h8", "")?;
    let finder = |s: &Stage| {
        s.start();
        s.taken(format_args!("find h8-nobody, {LOOKS} times"), || {
            let find = Fd::open(oracle::FIND, abi::O_WRONLY)?;
            (0..LOOKS).try_for_each(|_| match file::write(find.raw(), b"h8-nobody") {
                Err(Errno::ENOENT) => Ok(()),
                found => found.map(drop),
            })
        })
    };
    let [finder, removed] = s.race([("finder", &finder), ("remover", &|s| s.remove(&provider))])?;
    well("finder", finder, &[])?;
    s.round_ends(removed, &provider)
}
