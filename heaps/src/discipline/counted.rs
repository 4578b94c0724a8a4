//! The counted disciplines: a heap object with a reference count and the cdev embedded (Linux:
//! `struct dma_heap`, with the patch under review and what its review asked for, by [`Rules`]).
//!
//! Pointers to the heap are kept where Linux keeps them, in the minor table, on the list and in open files, and
//! count only where the rules say so. So most of the dereferences here cannot be proven good, and under the
//! rules that are flawed some are not: H1, H3, H5, H6, H7, H10 go through this file.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ptr::NonNull;

use super::borrowed::Borrowed;
use super::gate::Gate;
use super::{Hold, Rules};
use crate::attributes::Attributes;
use crate::cdev::{self, Cdev, CdevPtr, DevT};
use crate::dma_buf::DmaBuf;
use crate::fallible::{try_box, try_str};
use crate::kref::{Kref, Ref};
use crate::platform::{Event, ModuleRef, Platform, Point};
use crate::provider::{HeapOps, Provider};
use crate::registry::{Listed, Registry};
use crate::{Errno, Result};

struct Heap<P: Platform> {
    kref: Kref,
    rules: &'static Rules,
    registry: &'static Registry<P>,
    devt: DevT,
    provider: Borrowed,
    gate: Gate<P>,
    /// What keeps `provider` good, where the rules pin it.
    pin: Option<Ref<Provider<P>>>,
    cdev: Cdev<P>,
}

/// A pointer to a heap, which counts for nothing.
pub(crate) struct HeapPtr<P: Platform>(NonNull<Heap<P>>);

impl<P: Platform> Clone for HeapPtr<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Platform> Copy for HeapPtr<P> {}

impl<P: Platform> PartialEq for HeapPtr<P> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// SAFETY: a heap's fields are Sync; and whichever thread has the pointer, it is as good or as stale.
unsafe impl<P: Platform> Send for HeapPtr<P> {}
// SAFETY: as above.
unsafe impl<P: Platform> Sync for HeapPtr<P> {}

/// Registers a heap under a minor that was taken for it, in the order in which upstream does. An error frees the
/// minor.
pub(crate) fn register<P: Platform>(
    registry: &'static Registry<P>,
    minor: usize,
    rules: &'static Rules,
    provider: &Ref<Provider<P>>,
) -> Result<HeapPtr<P>> {
    let heap = HeapPtr::new(registry, minor, rules, provider).inspect_err(|_| registry.free_minor(minor))?;
    heap.publish(provider.name())?;
    Ok(heap)
}

impl<P: Platform> HeapPtr<P> {
    fn new(
        registry: &'static Registry<P>,
        minor: usize,
        rules: &'static Rules,
        provider: &Ref<Provider<P>>,
    ) -> Result<HeapPtr<P>> {
        let devt = registry.devt(minor);
        let heap = Box::into_raw(try_box(Heap {
            kref: Kref::new(),
            rules,
            registry,
            devt,
            provider: Borrowed::from(provider),
            gate: Gate::new(rules.revoke)?,
            pin: rules.pin_provider.then(|| provider.clone()),
            cdev: Cdev::new(devt, registry, None),
        })?);
        registry.heap_made();
        P::name_object(heap.cast(), "dma_heap");
        P::trace(Event::HeapAdd { minor: devt.minor() });
        // SAFETY: a box is not null.
        Ok(HeapPtr(unsafe { NonNull::new_unchecked(heap) }))
    }

    /// The heap, which may have been freed.
    fn get(&self) -> &Heap<P> {
        // SAFETY: not proven. It holds where the caller owns a reference that is counted; the rules decide
        // whether it does, and where they say no that is the flaw under study.
        unsafe { self.0.as_ref() }
    }

    fn cdev(self) -> CdevPtr<P> {
        CdevPtr::embedded(NonNull::from(&self.get().cdev))
    }

    /// Whether the heap's name, wherever it is kept, is `name`.
    pub(crate) fn is_named(self, name: &str) -> bool {
        self.get().provider().is_named(name)
    }

    /// A copy of its name. `ENOMEM`.
    pub(crate) fn copy_name(self) -> Result<Box<str>> {
        try_str(self.get().provider().name())
    }

    /// Whether the heap, which the caller found under the list lock, is called `name`; where open takes a reference,
    /// one is kept then.
    fn is_wanted(self, rules: &Rules, name: &str) -> bool {
        if rules.get_on_open && !self.get().kref.get_unless_zero::<P>() {
            return false;
        }
        if self.is_named(name) {
            return true;
        }
        P::meet(Point::Compared, self.get().devt.minor());
        if rules.get_on_open {
            self.put();
        }
        false
    }

    /// Makes the heap findable, live parts first, and only then checks the name: what upstream does. On an error
    /// it is taken back and freed, whoever may have opened it meanwhile (H7).
    fn publish(self, name: &str) -> Result<()> {
        let (registry, minor) = (self.get().registry, self.get().devt.minor() as usize);
        registry.tables().set_heap(minor, self);
        self.add_cdev(name).inspect_err(|_| {
            registry.free_minor(minor);
            self.free();
        })
    }

    fn add_cdev(self, name: &str) -> Result<()> {
        let devt = self.get().devt;
        P::cdev_map(devt, self.cdev())?;
        P::meet(Point::Live, devt.minor());
        self.add_device(name).inspect_err(|_| self.del_cdev())
    }

    fn add_device(self, name: &str) -> Result<()> {
        let devt = self.get().devt;
        P::device_create(name, devt)?;
        self.add_to_list(name).inspect_err(|_| P::device_destroy(devt))
    }

    fn add_to_list(self, name: &str) -> Result<()> {
        let mut tables = self.get().registry.tables();
        if tables.has_name(name) {
            return Err(Errno::EINVAL);
        }
        tables.add(Listed::Counted(self)).map(drop)
    }

    /// Linux: `cdev_del`. Whoever has the cdev open keeps its count, but not its memory (H5).
    fn del_cdev(self) {
        P::cdev_unmap(self.get().devt);
        // SAFETY: this is the reference the cdev was made with, given up once.
        unsafe { cdev::put(self.cdev()) }
    }

    /// Ends the registration: calls are turned away, where the rules revoke, and the registration's reference is
    /// put. `EBUSY` for an immortal heap.
    pub(crate) fn unregister(self) -> Result<()> {
        let heap = self.get();
        if heap.rules.immortal {
            return Err(Errno::EBUSY);
        }
        let minor = heap.devt.minor();
        P::trace(Event::HeapUnregister { minor });
        heap.gate.revoke();
        P::trace(Event::HeapDrained { minor });
        self.put();
        Ok(())
    }

    /// Linux: `kref_put` with the patch's release, and a tracepoint after it, where such lines tend to be: what it
    /// reads may have gone with the put (H14).
    fn put(self) {
        if self.get().kref.put::<P>() {
            self.release();
        }
        if P::traces_puts() {
            P::trace(Event::HeapPut { minor: self.get().devt.minor() });
        }
    }

    /// The last reference has gone: off the list, unpublished, freed; so an open file that counts keeps the heap
    /// findable (H4).
    fn release(self) {
        let (registry, devt) = (self.get().registry, self.get().devt);
        registry.tables().remove_heap(self);
        P::device_destroy(devt);
        self.del_cdev();
        registry.free_minor(devt.minor() as usize);
        self.free();
    }

    fn free(self) {
        let heap = self.get();
        heap.registry.heap_freed();
        P::trace(Event::HeapFree { minor: heap.devt.minor() });
        // SAFETY: it came from a box, and is freed once: by the last put, or by a registration that failed. Nobody
        // else *owns* it; whether nobody else *uses* it is the question.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        P::trace(Event::HeapFreed);
    }
}

impl<P: Platform> Heap<P> {
    /// The provider's pieces, read from the heap each time, as C does.
    fn provider(&self) -> Borrowed {
        // SAFETY: a field of `self`, aligned and initialised. Volatile, so that the heap is really touched.
        unsafe { (&raw const self.provider).read_volatile() }
    }
}

/// A file's or a buffer's way to a heap.
pub(crate) struct HeapRef<P: Platform> {
    heap: HeapPtr<P>,
    /// Whether a reference is put with this value.
    puts: bool,
    /// Dropped after the put.
    module: Option<ModuleRef<P::Module>>,
}

impl<P: Platform> HeapRef<P> {
    /// A way to `heap` on a reference which, where `puts`, passes to this value.
    fn new(heap: HeapPtr<P>, puts: bool) -> HeapRef<P> {
        HeapRef { heap, puts, module: None }
    }

    /// Pins the module for as long as this value; `ENODEV` when it is going.
    fn pin_module(mut self) -> Result<HeapRef<P>> {
        if let Some(provider) = &self.heap.get().pin {
            self.module = provider.pin_module()?;
        }
        Ok(self)
    }

    /// Another, for a buffer.
    fn for_buffer(&self) -> Result<HeapRef<P>> {
        self.heap.get().kref.get::<P>();
        HeapRef::new(self.heap, true).pin_module()
    }

    pub(crate) fn ops(&self) -> &dyn HeapOps {
        self.heap.get().provider.ops()
    }

    pub(crate) fn name(&self) -> &str {
        self.heap.get().provider.name()
    }
}

impl<P: Platform> Drop for HeapRef<P> {
    fn drop(&mut self) {
        if self.puts {
            self.heap.put();
        }
    }
}

/// An open file's private data: the pointer, and what the rules make of it.
pub(crate) struct File<P: Platform> {
    heap: HeapRef<P>,
    rules: &'static Rules,
    registry: &'static Registry<P>,
}

impl<P: Platform> File<P> {
    /// Opens the heap that has the number *now*; `ENODEV` when there is none, or none alive.
    pub(crate) fn open(registry: &Registry<P>, devt: DevT) -> Result<File<P>> {
        let rules = registry.discipline().rules().ok_or(Errno::ENODEV)?;
        let tables = registry.tables();
        let heap = tables.heap(devt.minor() as usize).ok_or(Errno::ENODEV)?;
        P::meet(Point::Found, devt.minor());
        if rules.get_on_open && !heap.get().kref.get_unless_zero::<P>() {
            drop(tables);
            P::trace(Event::HeapLookedUp);
            return Err(Errno::ENODEV);
        }
        let registry = heap.get().registry;
        drop(tables);
        P::trace(Event::HeapLookedUp);
        let file = File::of(HeapRef::new(heap, rules.put_on_close), rules, registry)?;
        P::trace(Event::HeapOpen { minor: devt.minor() });
        Ok(file)
    }

    /// Opens a heap by name. Where open takes a reference, so does this, and on its way to the heap that is wanted it
    /// takes one to each that is not, and puts it again, with the list lock held (H8).
    pub(crate) fn find(registry: &Registry<P>, rules: &'static Rules, name: &str) -> Result<File<P>> {
        let tables = registry.tables();
        let found = tables.counted().find(|heap| heap.is_wanted(rules, name));
        let found = found.map(|heap| (heap, heap.get().registry));
        drop(tables);
        P::trace(Event::HeapLookedUp);
        let (heap, registry) = found.ok_or(Errno::ENOENT)?;
        File::of(HeapRef::new(heap, rules.put_on_close), rules, registry)
    }

    fn of(heap: HeapRef<P>, rules: &'static Rules, registry: &'static Registry<P>) -> Result<File<P>> {
        let heap = if rules.pin_provider { heap.pin_module()? } else { heap };
        Ok(File { heap, rules, registry })
    }

    /// Allocates a buffer; `ENODEV` once revoked.
    pub(crate) fn allocate(&self, len: usize, flags: u64) -> Result<DmaBuf<P>> {
        let heap = self.heap.heap.get();
        let reference = self.rules.pin_provider.then(|| self.heap.for_buffer()).transpose()?;
        let table = heap.gate.call(|| heap.provider().ops().allocate(len, flags));
        P::trace(Event::HeapCalled);
        let table = table?;
        let hold = match reference {
            Some(reference) => Hold::Heap(reference),
            None => Hold::Nothing(heap.provider()),
        };
        Ok(DmaBuf::new(self.registry, hold, table))
    }

    /// What the buffers are like; `ENODEV` once revoked.
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        let heap = self.heap.heap.get();
        heap.gate.call(|| Ok(heap.provider().ops().attributes()))
    }
}
