//! Several fences as one, signalled when all of them are (Linux: `dma-fence-array.c`, `dma-fence-unwrap.c`).
//!
//! An array never holds arrays. It hears of its parts by callbacks, which hold it; its last handle takes them back.

use alloc::boxed::Box;
use alloc::vec::Vec;

use lock_api::Mutex;

use super::body::{Core, Source};
use super::gather::Gather;
use super::{Callback, CallbackKey, Context, Fence, Signalled};
use crate::kref::Ref;
use crate::platform::Platform;
use crate::{Errno, Result};

pub(super) struct Array<P: Platform> {
    parts: Vec<Fence<P>>,
    callbacks: Mutex<P::BufferLock, Vec<(usize, CallbackKey)>>,
    pub(super) gather: Gather,
}

impl<P: Platform> Array<P> {
    pub(super) fn parts(&self) -> &[Fence<P>] {
        &self.parts
    }

    /// Nobody looks any more: the parts need not call.
    pub(super) fn disable(&self) {
        let callbacks = core::mem::take(&mut *self.callbacks.lock());
        for (at, key) in callbacks {
            self.parts[at].remove_callback(key);
        }
    }
}

/// A part's callback.
struct Part<P: Platform>(Ref<Core<P>>);

impl<P: Platform> Callback for Part<P> {
    fn signalled(self: Box<Self>, how: Signalled) {
        if let Source::Array(array) = &self.0.source
            && array.gather.part_signalled(how.error)
        {
            self.0.signal(array.gather.error());
        }
    }
}

/// An array of at least two fences, which are no arrays. `ENOMEM`.
fn create<P: Platform>(parts: Vec<Fence<P>>) -> Result<Fence<P>> {
    let mut callbacks = Vec::new();
    callbacks.try_reserve_exact(parts.len()).map_err(|_| Errno::ENOMEM)?;
    let gather = Gather::new(u32::try_from(parts.len()).map_err(|_| Errno::ENOMEM)?);
    let array = Array { parts, callbacks: Mutex::new(callbacks), gather };
    let core = Ref::try_new(Core::new(Context::new(), 1, Source::Array(array)))?;
    // From here on dropping it takes back the callbacks that there are.
    let fence = Fence(core.clone());
    let Source::Array(array) = &core.source else { return Ok(fence) };
    for (at, part) in array.parts.iter().enumerate() {
        match part.add_callback(Part(core.clone())) {
            Ok(key) => array.callbacks.lock().push((at, key)),
            Err(Errno::ENOENT) => {
                // Nobody waits yet.
                array.gather.part_signalled(part.signalled().and_then(|how| how.error));
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(fence)
}

/// All of `fences`, none of them an array, as one; `None` where there are none. `ENOMEM`.
pub(super) fn of_all<P: Platform>(mut fences: Vec<Fence<P>>) -> Result<Option<Fence<P>>> {
    if fences.len() > 1 { create(fences).map(Some) } else { Ok(fences.pop()) }
}

/// What is signalled when both are (Linux: `dma_fence_unwrap_merge`): the latest of each context that is not signalled
/// yet. Where there is none, a fence that was signalled when the last of them was. `ENOMEM`.
pub(super) fn merge<P: Platform>(a: &Fence<P>, b: &Fence<P>) -> Result<Fence<P>> {
    let parts = || a.parts().iter().chain(b.parts());
    let mut pending = Vec::new();
    pending.try_reserve_exact(parts().count()).map_err(|_| Errno::ENOMEM)?;
    let mut last = 0;
    for part in parts() {
        match part.signalled() {
            Some(how) => last = last.max(how.timestamp),
            None => pending.push(part.clone()),
        }
    }
    pending.sort_unstable_by(Fence::merge_order);
    pending.dedup_by_key(|fence| fence.context());
    match of_all(pending)? {
        Some(fence) => Ok(fence),
        None => Fence::signalled_at(last),
    }
}
