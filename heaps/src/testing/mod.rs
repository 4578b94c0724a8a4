//! A kernel small enough for host tests: a platform over `std`, with a VFS that keeps cdevs as Linux does.
//!
//! Every test thread has a machine of its own; threads a test starts join it with [`Machine::enter`].

mod failing;
mod importer;
mod locks;
mod provider;
mod queue;
mod user;
mod vfs;

pub(crate) use failing::{fail_nth, suspend};
pub(crate) use importer::{Asked, BUS_OFFSET, TestDevice};
pub(crate) use provider::{Tee, TeeState, TestModule, tee};
pub(crate) use queue::{TestPoll, TestQueue};
pub(crate) use user::{BASE, Fds, Memory};
pub(crate) use vfs::{Inode, OpenFile};

use std::boxed::Box;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use crate::cdev::{CdevPtr, DevT};
use crate::platform::{Event, Pages, Platform, Point};
use crate::provider::ProviderData;
use crate::refcount::Fault;
use crate::sg::Run;
use crate::{Discipline, DmaBuf, Errno, HeapFile, PAGE_SIZE, PhysAddr, Registry, Result};
use locks::{Spin, SpinRw};

pub(crate) type TestRegistry = Registry<TestPlatform>;
pub(crate) type Data = ProviderData<TestPlatform>;

pub(crate) struct TestPlatform;

/// What the test kernel knows.
pub(crate) struct Machine {
    map: Mutex<HashMap<DevT, CdevPtr<TestPlatform>>>,
    nodes: Mutex<HashMap<String, Arc<Inode>>>,
    runs: Mutex<HashMap<u64, u32>>,
    next_frame: Mutex<u64>,
    /// Larger orders are refused.
    pub largest_order: AtomicU32,
    /// Page frames there are.
    pub frames: AtomicUsize,
    pub zeroed: AtomicUsize,
    pub killed: AtomicBool,
    pub traces_puts: AtomicBool,
    /// Who is lent page frames.
    pub borrower: Mutex<Option<Borrower>>,
    /// Bytes of buffers charged for, and how many may be.
    pub charged: AtomicUsize,
    pub quota: AtomicUsize,
    /// How often revoked memory was unmapped.
    pub unmapped: AtomicUsize,
    /// Makes `device_create` say this, once.
    pub refuse_device: Mutex<Option<Errno>>,
    /// While set, `device_create` waits, with the cdev mapped already.
    pub stall_device: AtomicBool,
    /// What was written to pages.
    bytes: Mutex<HashMap<u64, Vec<u8>>>,
    /// The files of buffers.
    buffers: Mutex<Vec<Weak<DmaBuf<TestPlatform>>>>,
    pub events: Mutex<Vec<Event>>,
    pub faults: Mutex<Vec<Fault>>,
    /// What happens when somebody comes to this point, once.
    pub meeting: Mutex<Option<(Point, OtherPath)>>,
}

/// Moves off the frames of a run.
pub(crate) type Borrower = Box<dyn FnMut(Run) -> Result<()> + Send>;

/// A path that meets another.
pub(crate) type OtherPath = Box<dyn FnOnce() + Send>;

thread_local! {
    static MACHINE: RefCell<Arc<Machine>> = RefCell::new(Machine::fresh());
}

impl Machine {
    /// A machine that nothing has happened on.
    pub(crate) fn fresh() -> Arc<Machine> {
        Arc::new(Machine {
            map: Mutex::default(),
            nodes: Mutex::default(),
            runs: Mutex::default(),
            next_frame: Mutex::new(0x4_0000),
            largest_order: AtomicU32::new(10),
            frames: AtomicUsize::new(1 << 20),
            zeroed: AtomicUsize::default(),
            killed: AtomicBool::default(),
            traces_puts: AtomicBool::default(),
            borrower: Mutex::default(),
            charged: AtomicUsize::default(),
            quota: AtomicUsize::new(usize::MAX >> 1),
            unmapped: AtomicUsize::default(),
            refuse_device: Mutex::default(),
            stall_device: AtomicBool::default(),
            bytes: Mutex::default(),
            buffers: Mutex::default(),
            events: Mutex::default(),
            faults: Mutex::default(),
            meeting: Mutex::default(),
        })
    }

    /// This thread's machine.
    pub(crate) fn here() -> Arc<Machine> {
        MACHINE.with(|machine| machine.borrow().clone())
    }

    /// Makes it this thread's.
    pub(crate) fn enter(self: Arc<Machine>) {
        MACHINE.with(|machine| *machine.borrow_mut() = self);
    }

    /// Page frames handed out.
    pub(crate) fn frames_used(&self) -> usize {
        self.runs.lock().unwrap().values().map(|order| 1 << order).sum()
    }

    pub(crate) fn node(&self, name: &str) -> Option<Arc<Inode>> {
        self.nodes.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn count(&self, event: Event) -> usize {
        self.events.lock().unwrap().iter().filter(|&&e| e == event).count()
    }
}

/// A registry of its own for a test, under `discipline`.
pub(crate) fn registry(discipline: Discipline) -> &'static TestRegistry {
    let registry = Box::leak(Box::new(Registry::new(252)));
    registry.set_discipline(discipline).unwrap();
    registry
}

impl Pages for TestPlatform {
    fn alloc_run(order: u32) -> Option<PhysAddr> {
        let _own = suspend();
        let machine = Machine::here();
        let used = machine.frames_used();
        if order > machine.largest_order.load(Ordering::Relaxed)
            || used + (1 << order) > machine.frames.load(Ordering::Relaxed)
        {
            return None;
        }
        let mut next = machine.next_frame.lock().unwrap();
        let frame = next.next_multiple_of(1 << order);
        *next = frame + (1 << order);
        machine.runs.lock().unwrap().insert(frame, order);
        Some(PhysAddr::from_pfn(frame))
    }

    fn free_run(start: PhysAddr, order: u32) {
        let _own = suspend();
        assert_eq!(Machine::here().runs.lock().unwrap().remove(&start.pfn()), Some(order));
    }

    fn zero(_start: PhysAddr, pages: usize) {
        Machine::here().zeroed.fetch_add(pages, Ordering::Relaxed);
    }

    fn admit(pages: usize) -> Result<()> {
        let all = Machine::here().frames.load(Ordering::Relaxed);
        if pages > all { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    fn fatal_signal_pending() -> bool {
        Machine::here().killed.load(Ordering::Relaxed)
    }
}

impl Platform for TestPlatform {
    type ListLock = Spin<2>;
    type HeapGuard = SpinRw<1>;
    type BufferLock = Spin<5>;
    type ResvLock = Spin<3>;
    type FenceLock = Spin<7>;
    type PoolLock = Spin<5>;
    type CdevLock = Spin<5>;
    type WaitQueue = TestQueue;
    type PollQueue = TestPoll;
    type Module = TestModule;
    type Charge = TestCharge;
    type BufferRef = TestBuffer;
    type File = HeapFile<TestPlatform>;

    fn heap_file(file: HeapFile<Self>) -> Result<Self::File> {
        Ok(file)
    }

    fn evict(run: Run) -> Result<()> {
        let machine = Machine::here();
        let mut borrower = machine.borrower.lock().unwrap();
        borrower.as_mut().map_or(Err(Errno::EBUSY), |evict| evict(run))
    }

    fn memory() -> Run {
        Run::new(PhysAddr::from_pfn(0x4_0000), 1 << 20).unwrap()
    }

    fn charge(bytes: usize) -> Result<TestCharge> {
        let machine = Machine::here();
        if machine.charged.load(Ordering::Relaxed) + bytes > machine.quota.load(Ordering::Relaxed) {
            return Err(Errno::EDQUOT);
        }
        machine.charged.fetch_add(bytes, Ordering::Relaxed);
        Ok(TestCharge(machine, bytes))
    }

    fn cpu() -> usize {
        0
    }

    fn cdev_map(devt: DevT, cdev: CdevPtr<Self>) -> Result<()> {
        let _own = suspend();
        locks::assert_free_below(2);
        match Machine::here().map.lock().unwrap().insert(devt, cdev) {
            None => Ok(()),
            Some(_) => panic!("{devt:?} mapped twice"),
        }
    }

    fn cdev_unmap(devt: DevT) {
        let _own = suspend();
        locks::assert_free_below(2);
        assert!(Machine::here().map.lock().unwrap().remove(&devt).is_some(), "{devt:?} not mapped");
    }

    fn device_create(name: &str, devt: DevT) -> Result<()> {
        let _own = suspend();
        locks::assert_free_below(2);
        let machine = Machine::here();
        while machine.stall_device.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(errno) = machine.refuse_device.lock().unwrap().take() {
            return Err(errno);
        }
        let mut nodes = machine.nodes.lock().unwrap();
        if nodes.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        nodes.insert(name.to_string(), Inode::new(devt));
        Ok(())
    }

    fn device_destroy(devt: DevT) {
        let _own = suspend();
        locks::assert_free_below(2);
        Machine::here().nodes.lock().unwrap().retain(|_, inode| inode.devt() != devt);
    }

    fn now_ns() -> u64 {
        static TICKS: AtomicU64 = AtomicU64::new(1);
        TICKS.fetch_add(1, Ordering::Relaxed)
    }

    fn read_page(start: PhysAddr, offset: usize, into: &mut [u8]) {
        let _own = suspend();
        let machine = Machine::here();
        let pages = machine.bytes.lock().unwrap();
        match pages.get(&start.pfn()) {
            Some(page) => into.copy_from_slice(&page[offset..offset + into.len()]),
            None => into.fill(0),
        }
    }

    fn write_page(start: PhysAddr, offset: usize, from: &[u8]) {
        let _own = suspend();
        let machine = Machine::here();
        let mut pages = machine.bytes.lock().unwrap();
        let page = pages.entry(start.pfn()).or_insert_with(|| vec![0; PAGE_SIZE]);
        page[offset..offset + from.len()].copy_from_slice(from);
    }

    fn each_buffer(each: &mut dyn FnMut(&DmaBuf<Self>)) {
        let buffers: Vec<_> = Machine::here().buffers.lock().unwrap().clone();
        buffers.iter().filter_map(Weak::upgrade).for_each(|buffer| each(&buffer));
    }

    fn unmap_revoked() {
        Machine::here().unmapped.fetch_add(1, Ordering::Relaxed);
    }

    fn name_object(object: *const u8, _kind: &'static str) {
        assert!(!object.is_null());
    }

    fn refcount_fault(fault: Fault, _: *const u8) {
        let _own = suspend();
        Machine::here().faults.lock().unwrap().push(fault);
    }

    fn trace(event: Event) {
        let _own = suspend();
        Machine::here().events.lock().unwrap().push(event);
    }

    fn counted(_: *const u8, _: bool) {}

    fn traces_puts() -> bool {
        Machine::here().traces_puts.load(Ordering::Relaxed)
    }

    fn meet(point: Point, _minor: u32) {
        let _own = suspend();
        let machine = Machine::here();
        let planned = machine.meeting.lock().unwrap().take_if(|(there, _)| *there == point);
        if let Some((_, other_path)) = planned {
            other_path();
        }
    }
}

/// Bytes of the one user's share.
pub(crate) struct TestCharge(Arc<Machine>, usize);

impl Drop for TestCharge {
    fn drop(&mut self) {
        self.0.charged.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// The file of a buffer.
#[derive(Clone)]
pub(crate) struct TestBuffer(Arc<DmaBuf<TestPlatform>>);

impl TestBuffer {
    /// A file of this machine's.
    pub(crate) fn of(buffer: DmaBuf<TestPlatform>) -> TestBuffer {
        let file = Arc::new(buffer);
        Machine::here().buffers.lock().unwrap().push(Arc::downgrade(&file));
        TestBuffer(file)
    }

    /// How many hold the file.
    pub(crate) fn references(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Deref for TestBuffer {
    type Target = DmaBuf<TestPlatform>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
