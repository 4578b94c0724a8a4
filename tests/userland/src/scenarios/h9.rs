//! H9 `same-name-reload`: a provider is unloaded and loaded again under the same name, first with nobody
//! using the heap, then with an old descriptor open, then with an old buffer held.
//!
//! A heap that lives on in an old descriptor or buffer must not keep its name: the new registration would be
//! refused, or the name would lead to the old heap. And the old descriptor must not lead to the new
//! heap. Where old users pin the module, unloading it is refused (EAGAIN, that is EWOULDBLOCK); then the device is unbound,
//! which cannot be refused, and a second instance brings the name back.
//!
//! Racing: the user has a descriptor, asks it for a buffer, and closes both, while the reloader unbinds the device and
//! loads a second instance under the same name at once. The new registration must work, and no buffer of the old
//! descriptor may be the new heap's.

use super::actor::Now;
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::heap::Heap;
use crate::guest::provider::Provider;
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H9",
    hazard: "same-name-reload",
    play,
    expected: Expected {
        upstream: "refused(EBUSY)",
        kref: "use-after-free",
        // A zombie keeps the name for ever.
        kref_open: "zombie",
        // A zombie keeps the name until its last close, which is H5.
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

/// The name all generations share.
const NAME: &str = "h9";

/// What became of the name after the old provider was sent away.
enum Reload {
    /// The provider would not go.
    Refused(Errno),
    /// The name is still taken.
    NameKept { old: Provider },
    /// The name is in use again; `old` is there where the old module stayed loaded.
    Loaded { new: Provider, old: Option<Provider> },
}

fn play(s: &mut Stage) -> Result<(), Stop> {
    let first = s.load(NAME)?;
    match reload(s, first)? {
        Reload::Refused(e) => conclude_refused(s, e),
        Reload::NameKept { old } => return kept_without_users(s, &old),
        Reload::Loaded { new, .. } => {
            must("delete_module", s.unload(&new))?;
            if with_old_descriptor(s)? && with_old_buffer(s)? {
                s.conclude(Conclusion::Ok("the name came back each time and led to the new heap".into()));
            }
        }
    }
    Ok(())
}

fn conclude_refused(s: &mut Stage, e: Errno) {
    s.conclude(Conclusion::Refused(format!("{e}")));
}

fn kept_without_users(s: &mut Stage, old: &Provider) -> Result<(), Stop> {
    s.conclude(Conclusion::Zombie("the name stays taken though nobody uses the heap".into()));
    must("delete_module", s.unload(old))
}

/// Unloads `old`, or unbinds it where users pin its module, and loads the same name again.
fn reload(s: &Stage, old: Provider) -> Result<Reload, Stop> {
    let stays = match s.unload(&old) {
        Ok(()) => None,
        Err(Errno::EAGAIN) => match s.unbind(&old) {
            Ok(()) => Some(old.clone()),
            Err(e) => return Ok(Reload::Refused(e)),
        },
        Err(e) => return Ok(Reload::Refused(e)),
    };
    let again = if stays.is_some() { s.load_beside(NAME, 2) } else { s.reload(NAME) };
    match again {
        Ok(new) => Ok(Reload::Loaded { new, old: stays }),
        // The node is there already, or the name is on the list: Linux says one or the other.
        Err(Errno::EEXIST | Errno::EINVAL) => Ok(Reload::NameKept { old }),
        Err(e) => Err(Stop(format!("loading the same name again got {e}"))),
    }
}

/// With an old descriptor open. Whether all was well; otherwise the conclusion is written.
fn with_old_descriptor(s: &mut Stage) -> Result<bool, Stop> {
    let provider = s.load(NAME)?;
    let old_heap = s.open(NAME)?;
    let old_device = s.device(&old_heap)?;
    let (new, old) = match reload(s, provider)? {
        Reload::Refused(e) => {
            conclude_refused(s, e);
            return Ok(false);
        }
        Reload::NameKept { old } => {
            s.conclude(Conclusion::Zombie("the old descriptor keeps the name".into()));
            s.close_heap(old_heap)?;
            let _ = s.unload(&old);
            return Ok(false);
        }
        Reload::Loaded { new, old } => (new, old),
    };
    let new_heap = s.open(NAME)?;
    let same = s.device(&new_heap)? == old_device;
    let well = new_name_works(s, &new_heap)? && old_is_not_new(s, &old_heap, same)?;
    s.close_heap(old_heap)?;
    s.close_heap(new_heap)?;
    unload_all(s, &new, old.as_ref())?;
    Ok(well)
}

/// The reopened name gives buffers.
fn new_name_works(s: &Stage, heap: &Heap) -> Result<bool, Stop> {
    let buffer = s.allocate(heap)?;
    s.close_buffer(buffer)?;
    Ok(true)
}

/// The old descriptor is refused, or leads to a heap of its own.
fn old_is_not_new(s: &mut Stage, old: &Heap, same_device: bool) -> Result<bool, Stop> {
    match s.try_allocate(old) {
        Err(Errno::ENODEV) => Ok(true),
        Err(e) => Err(Stop(format!("the old descriptor got {e} instead of ENODEV"))),
        Ok(buffer) => {
            s.close_buffer(buffer)?;
            if same_device {
                s.conclude(Conclusion::WrongHeap("the old descriptor allocates from the new heap".into()));
            }
            Ok(!same_device)
        }
    }
}

/// With an old buffer held. Whether all was well; otherwise the conclusion is written.
fn with_old_buffer(s: &mut Stage) -> Result<bool, Stop> {
    let provider = s.load(NAME)?;
    let heap = s.open(NAME)?;
    let buffer = s.allocate(&heap)?;
    let mapping = s.map(&buffer)?;
    s.fill(&mapping, 9);
    s.close_heap(heap)?;
    let loaded = match reload(s, provider)? {
        Reload::Refused(e) => {
            conclude_refused(s, e);
            return Ok(false);
        }
        Reload::NameKept { old } => {
            s.conclude(Conclusion::Zombie("the old buffer keeps the name".into()));
            s.unmap(mapping)?;
            s.close_buffer(buffer)?;
            let _ = s.unload(&old);
            return Ok(false);
        }
        Reload::Loaded { new, old } => (new, old),
    };
    let (new, old) = loaded;
    let heap = s.open(NAME)?;
    new_name_works(s, &heap)?;
    s.close_heap(heap)?;
    let kept = s.holds(&mapping, 9);
    s.use_buffer(&buffer)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    unload_all(s, &new, old.as_ref())?;
    if !kept {
        return Err(Stop("the old buffer lost its data".into()));
    }
    Ok(true)
}

fn unload_all(s: &Stage, new: &Provider, old: Option<&Provider>) -> Result<(), Stop> {
    must("delete_module", s.unload(new))?;
    old.map_or(Ok(()), |old| must("delete_module", s.unload(old)))
}

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have(NAME, "")?;
    let user = |s: &Stage| {
        let heap = s.try_open(NAME)?;
        s.start();
        let buffer = s.try_allocate(&heap);
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.taken(format_args!("close the buffer"), || buffer?.close())
    };
    let reloader = |s: &Stage| {
        s.remove(&provider)?;
        // Linux says one or the other: the node is there already, or the name is on the list.
        s.load_beside(NAME, 2).map(drop).map_err(|e| if e == Errno::EINVAL { Errno::EEXIST } else { e })
    };
    let [user, reloaded] = s.race([("user", &user), ("reloader", &reloader)])?;
    well("user", user, &[Errno::ENODEV])?;
    match reloaded {
        Now::Done(Some(Errno::EEXIST)) => {
            s.conclude(Conclusion::Zombie("the old heap keeps the name".into()));
            must("delete_module", s.unload(&provider))
        }
        Now::Done(None) => {
            must("delete_module", s.unload(&Provider::instance(NAME, 2)))?;
            s.round_ends(reloaded, &provider)
        }
        other => s.round_ends(other, &provider),
    }
}
