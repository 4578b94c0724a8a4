//! What a buffer has once others than its descriptors' holders take part in it.

use core::marker::PhantomData;

use alloc::sync::Arc;
use alloc::vec::Vec;
use lock_api::Mutex;

use super::importer::{Direction, DmaTable, Importer};
use crate::fence::reservation::Reservation;
use crate::kref::{Counted, Ref};
use crate::platform::{Platform, PollQueue};

/// Made for the first attachment, fence or poll; most buffers never have one.
pub(super) struct Shared<P: Platform> {
    /// Whom the buffer is attached to, in the order of their coming.
    pub(super) attachments: Mutex<P::ResvLock, Vec<Entry<P>>>,
    /// What has to be done before the buffer is used next.
    pub(super) reservation: Reservation<P>,
    /// Those who wait for that.
    pub(super) poll: P::PollQueue,
}

impl<P: Platform> Shared<P> {
    pub(super) fn new() -> Shared<P> {
        Shared {
            attachments: Mutex::new(Vec::new()),
            reservation: Reservation::new(),
            poll: P::PollQueue::new(),
        }
    }
}

impl<P: Platform> Counted for Shared<P> {
    type Platform = P;
    const KIND: &'static str = "dma_buf reservation";
}

/// One attachment.
pub(super) struct Entry<P: Platform> {
    /// What tells it from the buffer's others.
    pub(super) key: u64,
    pub(super) importer: Arc<dyn Importer>,
    /// The mapping that was made when it was attached, for a dynamic importer.
    pub(super) cached: Option<Ref<Mapped<P>>>,
    /// Those made since.
    pub(super) mapped: Vec<Ref<Mapped<P>>>,
    pub(super) pins: usize,
}

impl<P: Platform> Entry<P> {
    /// What the device reaches now.
    pub(super) fn live(&self) -> impl Iterator<Item = &Mapped<P>> {
        self.cached.iter().chain(&self.mapped).map(|mapped| &**mapped)
    }

    /// Takes everything from the device, after it was told to stop.
    pub(super) fn invalidate(&mut self) {
        self.importer.invalidate();
        for mapped in self.cached.take().into_iter().chain(core::mem::take(&mut self.mapped)) {
            self.importer.unmap(&mapped.table, mapped.direction);
        }
    }
}

/// One mapping.
pub(super) struct Mapped<P: Platform> {
    pub(super) table: DmaTable,
    pub(super) direction: Direction,
    platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Mapped<P> {
    pub(super) fn new(table: DmaTable, direction: Direction) -> Mapped<P> {
        Mapped { table, direction, platform: PhantomData }
    }
}

impl<P: Platform> Counted for Mapped<P> {
    type Platform = P;
    const KIND: &'static str = "dma_buf mapping";
}
