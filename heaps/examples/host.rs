//! The subsystem on an ordinary machine: a [`Platform`] over `std`, two heaps, and what a user of them sees.
//!
//! ```console
//! $ cargo run -p lastref-heaps --example host
//! ```
//!
//! Page frames are pages of a vector, a device node is an entry of a map, and a process is a struct with some memory and
//! a table of descriptors. Everything else is the subsystem's own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, Weak};
use std::time::Instant;

use heaps::cdev::CdevPtr;
use heaps::contig::Contig;
use heaps::dma_buf::MapRequest;
use heaps::exporter::{CmaHeap, CmaRegion, SystemHeap};
use heaps::platform::{Event, Point, PollQueue};
use heaps::refcount::Fault;
use heaps::uapi::dma_heap::{
    AllocationData, DMA_HEAP_IOCTL_ALLOC, DMA_HEAP_IOCTL_QUERY, HEAP_CONTIGUOUS, Query,
};
use heaps::uapi::fcntl::O_CLOEXEC;
use heaps::uapi::ioctl::Command;
use heaps::{
    DevT, DmaBuf, Errno, FdTable, Fence, HeapFile, Module, PAGE_SIZE, Pages, PhysAddr, Platform,
    ProviderData, Registry, Result, Run, SyncFile, UserMemory, WaitQueue,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The number of the machine's first page frame.
const FIRST: u64 = 0x4_0000;
/// Page frames there are; the last [`REGION`] are set aside for contiguous buffers.
const FRAMES: usize = 1024;
const REGION: usize = 256;

/// What a kernel keeps in statics: here, one machine.
struct Machine {
    memory: Mutex<Vec<[u8; PAGE_SIZE]>>,
    frames: Mutex<Contig>,
    /// Character devices by number, and the nodes under /dev that lead to them.
    cdevs: Mutex<HashMap<DevT, CdevPtr<Host>>>,
    nodes: Mutex<HashMap<String, DevT>>,
    /// Every buffer that a file owns.
    buffers: Mutex<Vec<Weak<DmaBuf<Host>>>>,
    /// Bytes of buffers that the one user holds.
    held: AtomicUsize,
}

static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine {
    memory: Mutex::new(vec![[0xaa; PAGE_SIZE]; FRAMES]),
    frames: Mutex::new(Contig::new(FRAMES - REGION, FIRST).expect("a few frames")),
    cdevs: Mutex::default(),
    nodes: Mutex::default(),
    buffers: Mutex::default(),
    held: AtomicUsize::new(0),
});

static HEAPS: Registry<Host> = Registry::new(252);

impl Machine {
    /// Calls `f` with the bytes of a page frame.
    fn page<T>(&self, frame: PhysAddr, f: impl FnOnce(&mut [u8; PAGE_SIZE]) -> T) -> T {
        f(&mut self.memory.lock().expect("nobody panics")[(frame.pfn() - FIRST) as usize])
    }
}

/// The kernel, as the subsystem sees it.
struct Host;

impl Pages for Host {
    fn alloc_run(order: u32) -> Option<PhysAddr> {
        let first = MACHINE.frames.lock().expect("nobody panics").allocate(1 << order, order).ok()?;
        Some(PhysAddr::from_pfn(FIRST + first as u64))
    }

    fn free_run(start: PhysAddr, order: u32) {
        MACHINE.frames.lock().expect("nobody panics").free((start.pfn() - FIRST) as usize, 1 << order);
    }

    fn zero(start: PhysAddr, pages: usize) {
        (0..pages as u64).for_each(|page| MACHINE.page(start.add_pages(page), |bytes| bytes.fill(0)));
    }

    fn admit(pages: usize) -> Result<()> {
        if pages > FRAMES { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    fn fatal_signal_pending() -> bool {
        false
    }
}

impl Platform for Host {
    // Mutexes that sleep all of them; a kernel would let the leaves spin.
    type ListLock = parking_lot::RawMutex;
    type HeapGuard = parking_lot::RawRwLock;
    type BufferLock = parking_lot::RawMutex;
    type ResvLock = parking_lot::RawMutex;
    type FenceLock = parking_lot::RawMutex;
    type PoolLock = parking_lot::RawMutex;
    type CdevLock = parking_lot::RawMutex;
    type WaitQueue = Queue;
    type PollQueue = Nobody;
    type Module = BuiltIn;
    type Charge = Charge;
    type BufferRef = Arc<DmaBuf<Host>>;
    type File = HeapFile<Host>;

    fn heap_file(file: HeapFile<Self>) -> Result<Self::File> {
        Ok(file)
    }

    fn evict(_: Run) -> Result<()> {
        // The region below lends nothing.
        Ok(())
    }

    fn memory() -> Run {
        Run::new(PhysAddr::from_pfn(FIRST), FRAMES).expect("a few frames")
    }

    fn charge(bytes: usize) -> Result<Charge> {
        MACHINE.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(Charge(bytes))
    }

    fn cpu() -> usize {
        0
    }

    fn cdev_map(devt: DevT, cdev: CdevPtr<Self>) -> Result<()> {
        MACHINE.cdevs.lock().expect("nobody panics").insert(devt, cdev);
        Ok(())
    }

    fn cdev_unmap(devt: DevT) {
        MACHINE.cdevs.lock().expect("nobody panics").remove(&devt);
    }

    fn device_create(name: &str, devt: DevT) -> Result<()> {
        MACHINE.nodes.lock().expect("nobody panics").insert(name.to_owned(), devt);
        Ok(())
    }

    fn device_destroy(devt: DevT) {
        MACHINE.nodes.lock().expect("nobody panics").retain(|_, node| *node != devt);
    }

    fn now_ns() -> u64 {
        static BOOT: LazyLock<Instant> = LazyLock::new(Instant::now);
        BOOT.elapsed().as_nanos() as u64
    }

    fn read_page(start: PhysAddr, offset: usize, into: &mut [u8]) {
        MACHINE.page(start, |bytes| into.copy_from_slice(&bytes[offset..offset + into.len()]));
    }

    fn write_page(start: PhysAddr, offset: usize, from: &[u8]) {
        MACHINE.page(start, |bytes| bytes[offset..offset + from.len()].copy_from_slice(from));
    }

    fn each_buffer(each: &mut dyn FnMut(&DmaBuf<Self>)) {
        let buffers: Vec<_> = MACHINE.buffers.lock().expect("nobody panics").clone();
        buffers.iter().filter_map(Weak::upgrade).for_each(|buffer| each(&buffer));
    }

    fn unmap_revoked() {
        // Nothing is ever mapped here.
    }

    fn name_object(_: *const u8, _: &'static str) {}

    fn counted(_: *const u8, _: bool) {}

    fn refcount_fault(fault: Fault, _: *const u8) {
        panic!("a count was misused: {fault:?}");
    }

    fn trace(event: Event) {
        println!("    [{event:?}]");
    }

    fn traces_puts() -> bool {
        false
    }

    fn meet(_: Point, _: u32) {}
}

/// A place to sleep.
struct Queue(Mutex<()>, Condvar);

impl WaitQueue for Queue {
    fn new() -> Queue {
        Queue(Mutex::new(()), Condvar::new())
    }

    fn wait_until(&self, done: &mut dyn FnMut() -> bool) {
        let guard = self.0.lock().expect("nobody panics");
        drop(self.1.wait_while(guard, |()| !done()).expect("nobody panics"));
    }

    fn wait_interruptible(&self, done: &mut dyn FnMut() -> bool) -> Result<()> {
        // There are no signals.
        self.wait_until(done);
        Ok(())
    }

    fn wake_all(&self) {
        drop(self.0.lock().expect("nobody panics"));
        self.1.notify_all();
    }
}

/// Nobody polls.
struct Nobody;

impl PollQueue for Nobody {
    fn new() -> Nobody {
        Nobody
    }

    fn notify(&self) {}
}

/// A module that is never unloaded.
#[derive(Clone)]
struct BuiltIn;

impl Module for BuiltIn {
    fn try_get(&self) -> bool {
        true
    }

    fn put(&self) {}
}

/// Bytes of the user's share.
struct Charge(usize);

impl Drop for Charge {
    fn drop(&mut self) {
        MACHINE.held.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A process: memory that starts at [`BASE`](Process::BASE), and descriptors of buffers.
#[derive(Default)]
struct Process {
    memory: RefCell<Vec<u8>>,
    files: RefCell<Vec<Arc<DmaBuf<Host>>>>,
}

impl Process {
    const BASE: usize = 0x1000;

    fn range(&self, addr: usize, len: usize) -> Result<Range<usize>> {
        let start = addr.checked_sub(Self::BASE).ok_or(Errno::EFAULT)?;
        let end = start.checked_add(len).filter(|&end| end <= self.memory.borrow().len());
        Ok(start..end.ok_or(Errno::EFAULT)?)
    }

    /// Opens `/dev/dma_heap/NAME`. (A VFS would cache what it found in the inode, and drop the cdev after the file.)
    fn open(&self, name: &str) -> Result<HeapFile<Host>> {
        let devt = *MACHINE.nodes.lock().expect("nobody panics").get(name).ok_or(Errno::ENOENT)?;
        let cdev = MACHINE.cdevs.lock().expect("nobody panics").get(&devt).copied();
        let cdev = cdev.and_then(CdevPtr::get).ok_or(Errno::ENXIO)?;
        cdev.open(0).map(|(file, _)| file)
    }

    /// Does an ioctl with `arg` in memory, and returns it as it was then.
    fn ioctl<T: IntoBytes + FromBytes + Immutable>(
        &self,
        file: &HeapFile<Host>,
        command: Command,
        arg: T,
    ) -> Result<T> {
        *self.memory.borrow_mut() = arg.as_bytes().to_vec();
        file.ioctl(command, Self::BASE, self, self)?;
        T::read_from_bytes(&self.memory.borrow()).map_err(|_| Errno::EIO)
    }

    fn allocate(&self, file: &HeapFile<Host>, len: u64) -> Result<Arc<DmaBuf<Host>>> {
        let asked = AllocationData { len, fd_flags: O_CLOEXEC, ..Default::default() };
        let got = self.ioctl(file, DMA_HEAP_IOCTL_ALLOC, asked)?;
        Ok(self.files.borrow()[got.fd as usize].clone())
    }
}

impl UserMemory for Process {
    fn read_bytes(&self, addr: usize, into: &mut [u8]) -> Result<()> {
        into.copy_from_slice(&self.memory.borrow()[self.range(addr, into.len())?]);
        Ok(())
    }

    fn write_bytes(&self, addr: usize, from: &[u8]) -> Result<()> {
        let range = self.range(addr, from.len())?;
        self.memory.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }
}

impl FdTable<Host> for Process {
    type File = Arc<DmaBuf<Host>>;
    type Slot = usize;

    fn new_file(&self, buffer: DmaBuf<Host>, _access: u32) -> Result<Self::File> {
        let file = Arc::new(buffer);
        MACHINE.buffers.lock().expect("nobody panics").push(Arc::downgrade(&file));
        Ok(file)
    }

    // Its descriptors are buffers alone: it exports no fences.
    fn new_sync_file(&self, _: SyncFile<Host>, _: u32) -> Result<Self::File> {
        Err(Errno::ENFILE)
    }

    fn sync_file(&self, _: i32) -> Option<Fence<Host>> {
        None
    }

    fn reserve(&self, _cloexec: bool) -> Result<usize> {
        Ok(self.files.borrow().len())
    }

    fn number(&self, slot: &usize) -> u32 {
        *slot as u32
    }

    fn install(&self, _: usize, file: Self::File) {
        self.files.borrow_mut().push(file);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("register two heaps");
    let system = HEAPS.register(ProviderData::new("system", SystemHeap::<Host>::new(), None)?)?;
    let base = PhysAddr::from_pfn(FIRST + (FRAMES - REGION) as u64);
    let region: &'static CmaRegion<Host> = Box::leak(Box::new(CmaRegion::new(base, REGION)?));
    let cma =
        HEAPS.register(ProviderData::new("default_cma_region", CmaHeap::<Host, _>::new(region), None)?)?;

    println!("a process opens both, asks what they are like, and allocates");
    let process = Process::default();
    for name in ["system", "default_cma_region"] {
        let file = process.open(name)?;
        let query = Query { size: size_of::<Query>() as u32, ..Default::default() };
        let answer = process.ioctl(&file, DMA_HEAP_IOCTL_QUERY, query)?;
        let contiguous = answer.attributes & HEAP_CONTIGUOUS != 0;
        let buffer = process.allocate(&file, 100_000)?;
        let runs = buffer.table().runs().len();
        println!("  {name}: contiguous {contiguous}, {} bytes in {runs} runs", buffer.size());
        assert!(runs == 1 || !contiguous);
    }

    println!("it maps one, and writes to it");
    let buffer = process.files.borrow()[0].clone();
    let whole = MapRequest { offset: 0, len: buffer.size(), shared: true, write: true, file_writable: true };
    for run in buffer.mmap(whole)? {
        (0..run.pages() as u64)
            .for_each(|page| MACHINE.page(run.start().add_pages(page), |bytes| bytes[0] = 7));
    }

    println!("a driver finds the contiguous heap, and the heap goes");
    let found = HEAPS.find("default_cma_region")?;
    let file = process.open("default_cma_region")?;
    cma.unregister().map_err(|refused| refused.errno)?.free();
    assert_eq!(found.allocate_buffer(4096).map(drop), Err(Errno::ENODEV));
    assert_eq!(process.allocate(&file, 4096).map(drop), Err(Errno::ENODEV));
    assert_eq!(process.open("default_cma_region").map(drop), Err(Errno::ENOENT));
    println!(
        "  whoever has it open is told ENODEV; the buffer lives on: {} pages",
        REGION - region.stats().free
    );

    println!("everything is closed");
    drop((found, file, buffer, process));
    system.unregister().map_err(|refused| refused.errno)?.free();
    let counts = HEAPS.counts();
    println!("  {counts:?}, {} bytes charged", MACHINE.held.load(Ordering::Relaxed));
    assert_eq!((counts.heaps, counts.buffers, region.stats().free), (0, 0, REGION));
    Ok(())
}
