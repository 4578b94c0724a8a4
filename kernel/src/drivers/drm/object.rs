//! A GEM object: memory of its own, or an imported dma-buf (Linux: `drm_gem_shmem_helper.c`).
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::dma_buf::{Direction, DmaTable, Importer};
use heaps::exporter::SystemHeap;
use heaps::{Errno, HeapOps, PAGE_SHIFT, Platform, Result, SgTable};

use crate::drivers::dma_heap::{BufferRef, Charge, Kernel, frame_state};
use crate::drivers::import::Import;
use crate::mm::admit::admit;
use crate::sync::{SpinLock, order};
use crate::vfs::File;

/// The device as a buffer knows it. It has no hardware: nothing is ever under way.
struct Vgem;

impl Importer for Vgem {
    fn name(&self) -> &str {
        "vgem"
    }

    fn map(&self, pages: &SgTable, _: Direction) -> Result<DmaTable> {
        DmaTable::direct(pages)
    }
}

/// Where objects with memory of their own are mapped, those of all files.
static PLACES: SpinLock<Vec<u64>, { order::HEAP_STATE }> = SpinLock::new(Vec::new());

/// Whether an object is mapped from page `first` of the files on, whoever may map it.
pub fn is_place(first: u64) -> bool {
    PLACES.lock().contains(&first)
}

enum Memory {
    Own(SgTable),
    Imported(Import<Vgem>),
}

/// An object. Dropped, its memory is given back, or its buffer detached, which may sleep.
pub struct Object {
    memory: Memory,
    /// What memory of its own takes of the share of whoever had it made.
    _charge: Option<Charge>,
    /// Where in the node's files it is mapped, in pages; 0 for one that is not.
    pub first_page: u64,
    /// The dma-buf that it was exported as, while that is there.
    exported: SpinLock<Weak<File>, { order::HEAP_STATE }>,
}

/// Where mappings begin: past all offsets of 32 bits (Linux: `DRM_FILE_PAGE_OFFSET_START`).
const FIRST_PAGE: u64 = 1 << (32 - PAGE_SHIFT);

impl Object {
    fn new(memory: Memory, charge: Option<Charge>, first_page: u64) -> Arc<Object> {
        Arc::new(Object { memory, _charge: charge, first_page, exported: SpinLock::new(Weak::new()) })
    }

    /// An object of zeroed memory, `len` bytes, whole pages, which the calling process' user is charged for. `EDQUOT`,
    /// `ENOMEM`, `EINTR`. May sleep.
    pub fn allocate(len: usize) -> Result<Arc<Object>> {
        static NEXT: AtomicU64 = AtomicU64::new(FIRST_PAGE);
        admit()?;
        let charge = Kernel::charge(len)?;
        let table = SystemHeap::<Kernel>::new().allocate(len, 0)?;
        let first_page = NEXT.fetch_add(len as u64 >> PAGE_SHIFT, Ordering::Relaxed);
        let object = Object::new(Memory::Own(table), Some(charge), first_page);
        let mut places = PLACES.lock();
        let room = places.try_reserve(1).map_err(|_| Errno::ENOMEM);
        if room.is_ok() {
            places.push(first_page);
        }
        drop(places);
        room.map(|()| object)
    }

    /// An object for a buffer of somebody else's. `ENODEV` for one that was revoked, `ENOMEM`. May sleep.
    pub fn import(buffer: BufferRef) -> Result<Arc<Object>> {
        admit()?;
        Ok(Object::new(Memory::Imported(Import::new(buffer, Vgem)?), None, 0))
    }

    /// The imported buffer's file, if it is one.
    pub fn imported(&self) -> Option<&Arc<File>> {
        match &self.memory {
            Memory::Own(_) => None,
            Memory::Imported(import) => Some(import.buffer().file()),
        }
    }

    /// Its own pages, if it has any.
    pub fn pages(&self) -> Option<&SgTable> {
        match &self.memory {
            Memory::Own(table) => Some(table),
            Memory::Imported(_) => None,
        }
    }

    /// The dma-buf it is exported as, if that is still there.
    pub fn exported(&self) -> Option<Arc<File>> {
        self.exported.lock().upgrade()
    }

    /// Remembers the dma-buf it was exported as; returns the one that somebody else was quicker with.
    pub fn remember(&self, file: &Arc<File>) -> Option<Arc<File>> {
        let mut exported = self.exported.lock();
        let quicker = exported.upgrade();
        if quicker.is_none() {
            *exported = Arc::downgrade(file);
        }
        quicker
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Memory::Own(table) = &mut self.memory {
            let mut places = PLACES.lock();
            places.retain(|place| *place != self.first_page);
            if places.is_empty() {
                // An emptied vector keeps its memory.
                *places = Vec::new();
            }
            drop(places);
            frame_state::released(table);
            SystemHeap::<Kernel>::new().release(core::mem::take(table));
        }
    }
}
