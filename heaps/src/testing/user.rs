//! A caller: some memory, and a descriptor table.

use std::cell::{Cell, RefCell};
use std::vec::Vec;

use super::{TestPlatform, suspend};
use crate::uapi::dma_heap::{AllocationData, DMA_HEAP_IOCTL_ALLOC};
use crate::{DmaBuf, Errno, FdTable, HeapFile, Result, UserMemory};
use zerocopy::{FromBytes, IntoBytes};

/// Memory from address 0x1000 on, as long as the vector.
pub(crate) struct Memory(pub RefCell<Vec<u8>>);

/// Where it starts.
pub(crate) const BASE: usize = 0x1000;

impl Memory {
    pub(crate) fn of(bytes: &[u8]) -> Memory {
        Memory(RefCell::new(bytes.to_vec()))
    }

    fn range(&self, addr: usize, len: usize) -> Result<std::ops::Range<usize>> {
        let start = addr.checked_sub(BASE).ok_or(Errno::EFAULT)?;
        let end = start.checked_add(len).ok_or(Errno::EFAULT)?;
        if end > self.0.borrow().len() { Err(Errno::EFAULT) } else { Ok(start..end) }
    }
}

impl UserMemory for Memory {
    fn read_bytes(&self, addr: usize, into: &mut [u8]) -> Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        let range = self.range(addr, into.len())?;
        into.copy_from_slice(&self.0.borrow()[range]);
        Ok(())
    }

    fn write_bytes(&self, addr: usize, from: &[u8]) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        let range = self.range(addr, from.len())?;
        self.0.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }
}

/// A table of `limit` descriptors.
pub(crate) struct Fds {
    pub open: RefCell<Vec<Option<DmaBuf<TestPlatform>>>>,
    pub reserved: Cell<usize>,
    pub limit: usize,
}

pub(crate) struct Slot<'a>(&'a Fds);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.reserved.set(self.0.reserved.get() - 1);
    }
}

impl Fds {
    pub(crate) fn new(limit: usize) -> Fds {
        Fds { open: RefCell::default(), reserved: Cell::new(0), limit }
    }

    /// Allocates `len` bytes and takes the buffer out of the table.
    pub(crate) fn allocate(&self, heap: &HeapFile<TestPlatform>, len: u64) -> Result<DmaBuf<TestPlatform>> {
        let data = AllocationData { len, ..Default::default() };
        let memory = Memory::of(data.as_bytes());
        heap.ioctl(DMA_HEAP_IOCTL_ALLOC, BASE, &memory, &self)?;
        let out = AllocationData::read_from_bytes(&memory.0.borrow()).unwrap();
        Ok(self.open.borrow_mut()[out.fd as usize].take().unwrap())
    }
}

impl<'a> FdTable<TestPlatform> for &'a Fds {
    type File = DmaBuf<TestPlatform>;
    type Slot = Slot<'a>;

    fn new_file(&self, buffer: DmaBuf<TestPlatform>, _access: u32) -> Result<Self::File> {
        Ok(buffer)
    }

    fn reserve(&self, _cloexec: bool) -> Result<Slot<'a>> {
        let used = self.open.borrow().iter().flatten().count() + self.reserved.get();
        if used == self.limit {
            return Err(Errno::EMFILE);
        }
        self.reserved.set(self.reserved.get() + 1);
        Ok(Slot(self))
    }

    fn number(&self, _slot: &Slot<'a>) -> u32 {
        self.open.borrow().len() as u32
    }

    fn install(&self, _slot: Slot<'a>, file: Self::File) {
        let _own = suspend();
        self.open.borrow_mut().push(Some(file));
    }
}
