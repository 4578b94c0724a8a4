//! A caller: some memory, and a descriptor table.

use std::cell::{Cell, RefCell};
use std::vec::Vec;

use super::{TestPlatform, suspend};
use crate::uapi::dma_heap::{AllocationData, DMA_HEAP_IOCTL_ALLOC};
use crate::uapi::ioctl::Command;
use crate::{DmaBuf, Errno, FdTable, Fence, HeapFile, Result, SyncFile, UserMemory};
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

/// What a descriptor leads to.
pub(crate) enum TestFile {
    Buffer(DmaBuf<TestPlatform>),
    Fence(SyncFile<TestPlatform>),
}

/// A table of `limit` descriptors.
pub(crate) struct Fds {
    pub open: RefCell<Vec<Option<TestFile>>>,
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
        match self.open.borrow_mut()[out.fd as usize].take() {
            Some(TestFile::Buffer(buffer)) => Ok(buffer),
            _ => panic!("a heap made something else"),
        }
    }

    /// Puts a fence into the table.
    pub(crate) fn add(&self, fence: Fence<TestPlatform>) -> i32 {
        self.open.borrow_mut().push(Some(TestFile::Fence(SyncFile::new(fence))));
        self.open.borrow().len() as i32 - 1
    }

    /// Does a sync file's ioctl.
    pub(crate) fn sync_ioctl(&self, fd: i32, command: Command, memory: &Memory) -> Result<usize> {
        let file = SyncFile::new(self.sync_file(fd).unwrap());
        file.ioctl(command, BASE, memory, &self)
    }

    /// The fence of a descriptor.
    pub(crate) fn sync_file(&self, fd: i32) -> Option<Fence<TestPlatform>> {
        let open = self.open.borrow();
        match open.get(usize::try_from(fd).ok()?)?.as_ref()? {
            TestFile::Fence(file) => Some(file.fence().clone()),
            TestFile::Buffer(_) => None,
        }
    }
}

impl<'a> FdTable<TestPlatform> for &'a Fds {
    type File = TestFile;
    type Slot = Slot<'a>;

    fn new_file(&self, buffer: DmaBuf<TestPlatform>, _access: u32) -> Result<Self::File> {
        Ok(TestFile::Buffer(buffer))
    }

    fn new_sync_file(&self, fence: SyncFile<TestPlatform>, _flags: u32) -> Result<Self::File> {
        Ok(TestFile::Fence(fence))
    }

    fn sync_file(&self, fd: i32) -> Option<Fence<TestPlatform>> {
        Fds::sync_file(self, fd)
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
