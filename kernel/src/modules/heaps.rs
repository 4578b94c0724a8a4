//! The heaps that modules register. The kernel keeps the registrations and modules have handles, so that a module that
//! fails, or leaves one behind, has none of its heaps left when it goes.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::registry::Refused;
use heaps::{Errno, HeapOps, ProviderData, Registration, Result};

use super::{Loaded, containing};
use crate::drivers::dma_heap::{HEAPS, Kernel};
use crate::sync::{SpinLock, order};

/// What reports call a heap's private data. (What the module calls it is in its memory, which goes.)
const KIND: &str = "heap private data";

/// How a registration is ended.
type End = fn(Registration<Kernel>) -> Result<ProviderData<Kernel>, Refused<Kernel>>;

/// A module's registrations, by handle.
pub struct Heaps(SpinLock<Vec<(u64, Registration<Kernel>)>, { order::HEAP_STATE }>);

impl Heaps {
    /// None.
    pub fn new() -> Heaps {
        Heaps(SpinLock::new(Vec::new()))
    }

    /// Makes room for one more, so that adding it cannot fail.
    fn reserve(&self) -> Result<()> {
        self.0.lock().try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    fn add(&self, handle: u64, registration: Registration<Kernel>) {
        self.0.lock().push((handle, registration));
    }

    fn take(&self, which: impl Fn(u64) -> bool) -> Option<(u64, Registration<Kernel>)> {
        let mut heaps = self.0.lock();
        let at = heaps.iter().position(|(handle, _)| which(*handle))?;
        Some(heaps.swap_remove(at))
    }

    /// Ends one by `end`; when that is refused it stays.
    fn end(&self, (handle, registration): (u64, Registration<Kernel>), end: End) -> Result<()> {
        match end(registration) {
            Ok(data) => {
                data.free();
                Ok(())
            }
            Err(refused) => {
                self.add(handle, refused.registration);
                Err(refused.errno)
            }
        }
    }

    /// Unregisters all that are left. `EBUSY` when the discipline refuses. May sleep.
    pub fn unregister_all(&self) -> Result<()> {
        while let Some(heap) = self.take(|_| true) {
            self.end(heap, Registration::unregister)?;
        }
        Ok(())
    }
}

fn module(this: usize) -> Result<alloc::sync::Arc<Loaded>> {
    containing(this).ok_or(Errno::ENODEV)
}

/// [`sdk::exports::Exports::register_heap`].
pub fn register(this: usize, name: Option<&str>, ops: Option<Box<dyn HeapOps>>) -> Result<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let module = module(this)?;
    module.heaps.reserve()?;
    let data = ProviderData::boxed(name, ops, KIND, Some(module.module.clone()))?;
    let registration = HEAPS.register(data)?;
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    module.heaps.add(handle, registration);
    Ok(handle)
}

/// [`sdk::exports::Exports::unregister_heap`].
pub fn unregister(this: usize, handle: u64) -> Result<()> {
    end(this, handle, Registration::unregister)
}

/// [`sdk::exports::Exports::unplug_heap`].
pub fn unplug(this: usize, handle: u64) -> Result<()> {
    end(this, handle, Registration::unplug)
}

fn end(this: usize, handle: u64, end: End) -> Result<()> {
    let module = module(this)?;
    let heap = module.heaps.take(|known| known == handle).ok_or(Errno::ENODEV)?;
    module.heaps.end(heap, end)
}
