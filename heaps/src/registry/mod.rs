//! Heap names, minors and registrations (Linux: the registering half of `drivers/dma-buf/dma-heap.c`).

mod tables;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

pub(crate) use tables::{Listed, MinorClaim, NameClaim, Tables};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::{Mutex, MutexGuard};

use crate::cdev::{CdevOps, CdevRef, DevT};
use crate::discipline::{Discipline, counted, lastref};
use crate::heap_file::HeapFile;
use crate::platform::{Platform, Point};
use crate::provider::ProviderData;
use crate::{Errno, Result};

/// How many heaps there can be at once.
pub const NUM_HEAP_MINORS: usize = 128;

/// Every heap of the machine. The kernel has one, in a static.
pub struct Registry<P: Platform> {
    major: u32,
    tables: Mutex<P::ListLock, Tables<P>>,
    /// An index into [`Discipline::ALL`]; changed under the list lock.
    discipline: AtomicUsize,
    // What is alive is counted outside the lock, for an oracle that has to read it whatever became of whoever held
    // the lock last.
    heaps: AtomicUsize,
    minors: AtomicUsize,
    buffers: AtomicUsize,
    buffer_bytes: AtomicUsize,
}

/// What is alive, for the leak oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Heap objects in memory, registered or not.
    pub heaps: usize,
    /// Minor numbers taken.
    pub minors: usize,
    /// Buffers.
    pub buffers: usize,
    /// Bytes in them.
    pub buffer_bytes: usize,
}

impl<P: Platform> Registry<P> {
    /// No heaps, under the default discipline. Their devices will have this major number.
    pub const fn new(major: u32) -> Registry<P> {
        Registry {
            major,
            tables: Mutex::new(Tables::new()),
            discipline: AtomicUsize::new(Discipline::Lastref as usize),
            heaps: AtomicUsize::new(0),
            minors: AtomicUsize::new(0),
            buffers: AtomicUsize::new(0),
            buffer_bytes: AtomicUsize::new(0),
        }
    }

    /// The discipline in force. Takes no lock.
    pub fn discipline(&self) -> Discipline {
        let index = self.discipline.load(Ordering::Relaxed);
        Discipline::ALL.get(index).copied().unwrap_or_default()
    }

    /// Changes the discipline; `EBUSY` while any heap or buffer is alive.
    pub fn set_discipline(&self, discipline: Discipline) -> Result<()> {
        let _tables = self.tables();
        if self.counts() != Counts::default() {
            return Err(Errno::EBUSY);
        }
        self.discipline.store(discipline as usize, Ordering::Relaxed);
        Ok(())
    }

    /// What is alive. Takes no lock.
    pub fn counts(&self) -> Counts {
        Counts {
            heaps: self.heaps.load(Ordering::Relaxed),
            minors: self.minors.load(Ordering::Relaxed),
            buffers: self.buffers.load(Ordering::Relaxed),
            buffer_bytes: self.buffer_bytes.load(Ordering::Relaxed),
        }
    }

    /// Registers a heap and publishes its device (Linux: `dma_heap_add`). May sleep. `EBUSY` when there is no
    /// minor left, `EEXIST` or `EINVAL` for a name that is taken, `ENOMEM`; the provider's data is then freed.
    pub fn register(&'static self, provider: ProviderData<P>) -> Result<Registration<P>> {
        let mut tables = self.tables();
        let heap = match self.discipline().rules() {
            Some(rules) => {
                let minor = tables.take_minor()?;
                self.count_minors(&tables);
                drop(tables);
                Heap::Counted(counted::register(self, minor, rules, &provider.0)?)
            }
            None => {
                let claim = tables.claim(self, &provider.0)?;
                self.count_minors(&tables);
                drop(tables);
                Heap::Shell(lastref::Registered::register(self, claim, &provider.0)?)
            }
        };
        Ok(Registration { heap: Some(heap), provider })
    }

    /// Opens a heap by name from within the kernel (Linux, out of tree: `dma_heap_find`), as the discipline would
    /// have it written. `ENOENT`, `ENODEV` when it is going. May sleep.
    pub fn find(&self, name: &str) -> Result<HeapFile<P>> {
        match self.discipline().rules() {
            Some(rules) => counted::File::find(self, rules, name).map(HeapFile::of_counted),
            None => lastref::File::find(self, name).map(HeapFile::of_shell),
        }
    }

    /// The names of the heaps that are registered, in no order. `ENOMEM`. May sleep.
    pub fn names(&self) -> Result<Vec<Box<str>>> {
        self.tables().names()
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, P::ListLock, Tables<P>> {
        self.tables.lock()
    }

    /// Frees a minor, and whatever open would have found there.
    pub(crate) fn free_minor(&self, minor: usize) {
        let mut tables = self.tables();
        tables.free_minor(minor);
        self.count_minors(&tables);
    }

    fn count_minors(&self, tables: &Tables<P>) {
        self.minors.store(tables.minors_used(), Ordering::Relaxed);
    }

    pub(crate) fn devt(&self, minor: usize) -> DevT {
        DevT::new(self.major, minor as u32)
    }

    pub(crate) fn heap_made(&self) {
        self.heaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn heap_freed(&self) {
        self.heaps.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn buffer_made(&self, size: usize) {
        self.buffers.fetch_add(1, Ordering::Relaxed);
        self.buffer_bytes.fetch_add(size, Ordering::Relaxed);
    }

    pub(crate) fn buffer_freed(&self, size: usize) {
        self.buffers.fetch_sub(1, Ordering::Relaxed);
        self.buffer_bytes.fetch_sub(size, Ordering::Relaxed);
    }
}

impl<P: Platform> CdevOps<P> for Registry<P> {
    /// Opens a heap (Linux: `dma_heap_open`): a shell by its cdev, any other by its minor. `ENODEV` when it is
    /// gone, `ENOMEM`.
    fn open(&self, cdev: &CdevRef<P>, _flags: u32) -> Result<P::File> {
        P::meet(Point::Open, cdev.devt().minor());
        P::heap_file(match cdev.parent() {
            Some(shell) => HeapFile::of_shell(lastref::File::open(shell)?),
            None => HeapFile::of_counted(counted::File::open(self, cdev.devt())?),
        })
    }
}

/// A registered heap. Dropping it unregisters it and frees the provider's data, unless the discipline refuses:
/// then both stay for ever.
pub struct Registration<P: Platform> {
    /// `None` once unregistered.
    heap: Option<Heap<P>>,
    provider: ProviderData<P>,
}

enum Heap<P: Platform> {
    Counted(counted::HeapPtr<P>),
    Shell(lastref::Registered<P>),
}

/// An unregistering that was refused: the heap is still registered.
pub struct Refused<P: Platform> {
    /// The registration, unchanged.
    pub registration: Registration<P>,
    /// Why.
    pub errno: Errno,
}

impl<P: Platform> core::fmt::Debug for Refused<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "unregistering {} was refused: {:?}", self.registration.name(), self.errno)
    }
}

impl<P: Platform> Registration<P> {
    /// The name.
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    /// Ends the registration, and gives the provider its data back to [free](ProviderData::free). May sleep, for
    /// calls in flight but never for descriptors or buffers. Under `upstream` it is refused with `EBUSY`.
    pub fn unregister(mut self) -> Result<ProviderData<P>, Refused<P>> {
        match self.end() {
            Ok(()) => Ok(ProviderData(self.provider.0.clone())),
            Err(errno) => Err(Refused { registration: self, errno }),
        }
    }

    /// The same when the device has gone, and its memory with it (hot unplug). Under `lastref` every mapping of it goes
    /// before it does, a program's and a device's; a later access is SIGBUS. The others know of no mappings. May sleep.
    pub fn unplug(mut self) -> Result<ProviderData<P>, Refused<P>> {
        let revokes = matches!(self.heap, Some(Heap::Shell(_)));
        if let Err(errno) = self.end() {
            return Err(Refused { registration: self, errno });
        }
        let provider = self.provider.0.clone();
        if revokes {
            provider.revoke();
        }
        provider.ops().unplug();
        Ok(ProviderData(provider))
    }

    fn end(&mut self) -> Result<()> {
        match self.heap.take() {
            Some(Heap::Counted(heap)) => {
                heap.unregister().inspect_err(|_| self.heap = Some(Heap::Counted(heap)))
            }
            Some(Heap::Shell(shell)) => {
                shell.unregister();
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<P: Platform> Drop for Registration<P> {
    fn drop(&mut self) {
        if self.end().is_err() {
            // An immortal heap borrows from its provider for ever.
            core::mem::forget(self.provider.0.clone());
        }
    }
}
