//! Heap names, minors and registrations (Linux: the registering half of `drivers/dma-buf/dma-heap.c`).

use core::marker::PhantomData;

use crate::cdev::DevT;
use crate::discipline::Discipline;
use crate::platform::Platform;
use crate::provider::ProviderData;
use crate::{Errno, Result};

/// How many heaps there can be at once.
pub const NUM_HEAP_MINORS: usize = 128;

/// Every heap of the machine. The kernel has one, in a static.
pub struct Registry<P: Platform>(PhantomData<P>);

/// What is alive, for the leak oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    pub const fn new(_major: u32) -> Registry<P> {
        Registry(PhantomData)
    }

    /// The discipline in force.
    pub fn discipline(&self) -> Discipline {
        todo!()
    }

    /// Changes the discipline; `EBUSY` while any heap or buffer is alive.
    pub fn set_discipline(&self, _discipline: Discipline) -> Result<()> {
        todo!()
    }

    /// What is alive.
    pub fn counts(&self) -> Counts {
        todo!()
    }

    /// Registers a heap and publishes its device (Linux: `dma_heap_add`). May sleep. `EBUSY` when there is no
    /// minor left, `EEXIST` or `EINVAL` for a name that is taken, `ENOMEM`; the provider's data is then freed.
    pub fn register(&'static self, _provider: ProviderData<P>) -> Result<Registration<P>> {
        todo!()
    }
}

/// A registered heap. Dropping it unregisters it, where the discipline allows, and frees the provider's data.
pub struct Registration<P: Platform>(PhantomData<P>);

/// An unregistering that was refused: the heap is still registered.
pub struct Refused<P: Platform> {
    /// The registration, unchanged.
    pub registration: Registration<P>,
    /// Why.
    pub errno: Errno,
}

impl<P: Platform> Registration<P> {
    /// The name.
    pub fn name(&self) -> &str {
        todo!()
    }

    /// The device number.
    pub fn devt(&self) -> DevT {
        todo!()
    }

    /// Ends the registration, and gives the provider its data back to [free](ProviderData::free). May sleep, for
    /// calls in flight but never for descriptors or buffers. Under `upstream` it is refused with `EBUSY`.
    pub fn unregister(self) -> Result<ProviderData<P>, Refused<P>> {
        todo!()
    }
}
