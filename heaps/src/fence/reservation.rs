//! Which fences a buffer's users have to wait for (Linux: `struct dma_resv`).

use alloc::vec::Vec;
use core::fmt;

use lock_api::Mutex;

use super::{Callback, CallbackKey, Fence, array};
use crate::platform::Platform;
use crate::{Errno, Result};

/// What a fence's work does with the buffer. Who waits for one of these waits for all before it, too (Linux:
/// `enum dma_resv_usage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// It manages the memory: nobody may go past it.
    Kernel,
    /// It writes.
    Write,
    /// It reads.
    Read,
}

impl Usage {
    /// What somebody waits for who is about to write, or else to read (Linux: `dma_resv_usage_rw`).
    pub const fn before(writes: bool) -> Usage {
        if writes { Usage::Read } else { Usage::Write }
    }

    fn name(self) -> &'static str {
        match self {
            Usage::Kernel => "kernel",
            Usage::Write => "write",
            Usage::Read => "read",
        }
    }
}

/// The fences of a buffer.
pub struct Reservation<P: Platform>(Mutex<P::BufferLock, Vec<Slot<P>>>);

struct Slot<P: Platform> {
    fence: Fence<P>,
    usage: Usage,
    callback: Option<CallbackKey>,
}

impl<P: Platform> Slot<P> {
    /// Whether `new` makes it superfluous.
    fn gives_way(&self, new: &Slot<P>) -> bool {
        let follows = self.fence.context() == new.fence.context() && new.fence.is_later_or_same(&self.fence);
        follows && self.usage >= new.usage || self.fence.is_signalled()
    }
}

impl<P: Platform> Drop for Slot<P> {
    fn drop(&mut self) {
        if let Some(key) = self.callback {
            self.fence.remove_callback(key);
        }
    }
}

/// How many slots Linux's list has that was made for `wanted`: as many as fit its memory.
const fn room_for(wanted: usize) -> usize {
    const HEADER: usize = 24;
    let bytes = (HEADER + 8 * wanted).next_power_of_two();
    ((if bytes < 128 { 128 } else { bytes }) - HEADER) / 8
}

impl<P: Platform> Reservation<P> {
    /// No fences.
    pub const fn new() -> Reservation<P> {
        Reservation(Mutex::new(Vec::new()))
    }

    /// Adds fences, none of them an array (Linux: `dma_resv_reserve_fences`, `dma_resv_add_fence`). One takes the place of
    /// what it makes superfluous. As each is signalled, what `callback` made for it is called. `ENOMEM` adds none.
    pub fn add<C: Callback>(
        &self,
        fences: &[Fence<P>],
        usage: Usage,
        callback: impl Fn() -> C,
    ) -> Result<()> {
        let mut new = Vec::new();
        new.try_reserve_exact(fences.len()).map_err(|_| Errno::ENOMEM)?;
        for fence in fences {
            let callback = match fence.add_callback(callback()) {
                Ok(key) => Some(key),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(errno),
            };
            new.push(Slot { fence: fence.clone(), usage, callback });
        }
        let mut replaced = Vec::new();
        replaced.try_reserve_exact(new.len()).map_err(|_| Errno::ENOMEM)?;
        let mut slots = self.0.lock();
        let old = make_room(&mut slots, new.len())?;
        for slot in new {
            match slots.iter_mut().find(|old| old.gives_way(&slot)) {
                Some(old) => replaced.push(core::mem::replace(old, slot)),
                None => slots.push(slot),
            }
        }
        // The last handle of a fence may go with these: under no lock of ours.
        drop(slots);
        drop((old, replaced));
        Ok(())
    }

    /// Forgets them all.
    pub fn clear(&self) {
        let all = core::mem::take(&mut *self.0.lock());
        drop(all);
    }

    /// Whether somebody who waits for `usage` may go on. Does not sleep.
    pub fn is_signalled(&self, usage: Usage) -> bool {
        self.0.lock().iter().all(|slot| slot.usage > usage || slot.fence.is_signalled())
    }

    /// Sleeps until that is so. `EINTR`.
    pub fn wait(&self, usage: Usage) -> Result<()> {
        loop {
            let pending = |slot: &&Slot<P>| slot.usage <= usage && !slot.fence.is_signalled();
            let next = self.0.lock().iter().find(pending).map(|slot| slot.fence.clone());
            match next {
                Some(fence) => fence.wait()?,
                None => return Ok(()),
            }
        }
    }

    /// What somebody who waits for `usage` waits for, as one fence; `None` for nothing (Linux: `dma_resv_get_singleton`).
    /// `ENOMEM`.
    pub fn singleton(&self, usage: Usage) -> Result<Option<Fence<P>>> {
        let mut fences = self.copy(|slot| slot.usage <= usage)?;
        fences.retain(|(fence, _)| !fence.is_signalled());
        let mut pending = Vec::new();
        pending.try_reserve_exact(fences.len()).map_err(|_| Errno::ENOMEM)?;
        pending.extend(fences.into_iter().map(|(fence, _)| fence));
        array::of_all(pending)
    }

    /// One line each.
    pub fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let fences = self.copy(|_| true).map_err(|_| fmt::Error)?;
        fences.iter().try_for_each(|(fence, usage)| writeln!(out, "\t{} fence:{fence}", usage.name()))
    }

    fn copy(&self, wanted: impl Fn(&Slot<P>) -> bool) -> Result<Vec<(Fence<P>, Usage)>> {
        let slots = self.0.lock();
        let mut copy = Vec::new();
        copy.try_reserve_exact(slots.len()).map_err(|_| Errno::ENOMEM)?;
        let wanted = slots.iter().filter(|slot| wanted(slot));
        copy.extend(wanted.map(|slot| (slot.fence.clone(), slot.usage)));
        Ok(copy)
    }
}

impl<P: Platform> Default for Reservation<P> {
    fn default() -> Self {
        Reservation::new()
    }
}

/// Lets `more` be pushed. Where that takes another list, those that are signalled stay behind in the old one, which is
/// given back to be dropped. `ENOMEM`.
fn make_room<P: Platform>(slots: &mut Vec<Slot<P>>, more: usize) -> Result<Vec<Slot<P>>> {
    let wanted = slots.len() + more;
    if wanted <= slots.capacity() {
        return Ok(Vec::new());
    }
    let mut list = Vec::new();
    let room = room_for(wanted.max(2 * slots.capacity()).max(4));
    list.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
    let mut old = core::mem::replace(slots, list);
    slots.extend(old.extract_if(.., |slot| !slot.fence.is_signalled()));
    Ok(old)
}
