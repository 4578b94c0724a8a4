//! H15 `name-lifetime`: a heap's name is a string that its provider allocated, and that is freed with it. Others read it
//! later. Two variants, by who does:
//!
//! - H15-info: a process keeps a buffer, the provider goes, and the process reads the buffer's fdinfo, which shows the
//!   exporter's name;
//! - H15-list: a process keeps a descriptor and a buffer, the provider goes, and then another heap is registered, under
//!   another name: to see that the name is free the kernel compares it with all on the list.
//!
//! In H15-info only a buffer that keeps the provider is good. In H15-list the question is whether the heap is still on
//! the list when its name has gone: where an open descriptor keeps it there (H4) it is, and only `kref-full`, which keeps
//! the provider as long, reads a name that is there. Under `kref` the heap is off the list, and gone: the old
//! descriptor's close finds that (H5). `lastref` takes the name off the list before anything else, and keeps it for
//! buffers.
//!
//! Racing: the reader reads the buffer's fdinfo four times over and closes the buffer while the remover unbinds the device
//! (H15-info); the loader registers the other heap while the remover unbinds the device (H15-list), with a user who has
//! a descriptor and a buffer, and closes them at the end.

use super::actor::Now;
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop};
use crate::guest::provider::Provider;
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const FDINFO: Scenario =
    Scenario { id: "H15-info", hazard: "name-lifetime", play: fdinfo, expected: EXPECTED, race: FDINFO_RACE };

pub const LIST: Scenario =
    Scenario { id: "H15-list", hazard: "name-lifetime", play: list, expected: EXPECTED, race: LIST_RACE };

const FDINFO_RACE: Race = Race { play: race_fdinfo, finds: FINDS };
const LIST_RACE: Race = Race { play: race_list, finds: FINDS };

const FINDS: Expected = Expected { kref_open: "use-after-free|leak", ..EXPECTED };

const EXPECTED: Expected = Expected {
    upstream: "refused(EBUSY)",
    kref_full: "ok",
    lastref: "ok",
    ..Expected::always("use-after-free")
};

fn fdinfo(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h15")?;
    let heap = s.open("h15")?;
    let buffer = s.allocate(&heap)?;
    s.close_heap(heap)?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        return s.close_buffer(buffer);
    }
    let name = s.exporter(&buffer)?;
    if name != "h15" {
        return Err(Stop(format!("the exporter's name became {name}")));
    }
    s.close_buffer(buffer)?;
    s.conclude(Conclusion::Ok("the name lived as long as the buffer".into()));
    must("delete_module", s.unload(&provider))
}

fn list(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.load("h15-old")?;
    let heap = s.open("h15-old")?;
    let buffer = s.allocate(&heap)?;
    if let Err(e) = s.unbind(&provider) {
        s.conclude(Conclusion::Refused(format!("{e}")));
        s.close_buffer(buffer)?;
        return s.close_heap(heap);
    }
    let other = must("init_module", s.load_beside("h15-new", 2))?;
    // The buffer last, so that where it holds the heap its close is not H5.
    s.close_heap(heap)?;
    s.close_buffer(buffer)?;
    s.conclude(Conclusion::Ok("the other heap was registered".into()));
    must("delete_module", s.unload(&other))?;
    must("delete_module", s.unload(&provider))
}

/// How often the name is read.
const READS: usize = 4;

fn race_fdinfo(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h15", "")?;
    let reader = |s: &Stage| {
        let heap = s.try_open("h15")?;
        let buffer = s.try_allocate(&heap)?;
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.start();
        let is_h15 = |_| s.exporter(&buffer).is_ok_and(|name| name == "h15");
        let well = (0..READS).all(is_h15);
        s.taken(format_args!("close the buffer"), || buffer.close())?;
        if well { Ok(()) } else { Err(Errno::EIO) }
    };
    let [reader, removed] = s.race([("reader", &reader), ("remover", &|s| s.remove(&provider))])?;
    well("reader", reader, &[])?;
    s.round_ends(removed, &provider)
}

fn race_list(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h15-old", "")?;
    let heap = s.open("h15-old")?;
    let buffer = s.allocate(&heap)?;
    let loader = |s: &Stage| {
        s.start();
        s.load_beside("h15-new", 2).map(drop)
    };
    let [loaded, removed] = s.race([("loader", &loader), ("remover", &|s| s.remove(&provider))])?;
    // The buffer last, as above.
    s.close_heap(heap)?;
    s.close_buffer(buffer)?;
    // Where nothing is ever unregistered, an earlier round's is there.
    let kept = removed == Now::Done(Some(Errno::EBUSY));
    well("loader", loaded, if kept { &[Errno::EEXIST] } else { &[] })?;
    if !kept {
        must("delete_module", s.unload(&Provider::instance("h15-new", 2)))?;
    }
    s.round_ends(removed, &provider)
}
