//! What the heap subsystem asks of the kernel: pages, locks, device nodes, and ears for its events.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use core::sync::atomic::{AtomicBool, Ordering};

use heaps::platform::{Event, Point};
use heaps::refcount::Fault;
use heaps::{CdevPtr, DevT, DmaBuf, HeapFile, Pages, PhysAddr, Platform, Result, Run, SgTable};

use super::accounts::Charge;
use super::buffer::BufferRef;
use super::heap::OpenHeap;
use super::{frame_state, list, machine, regions};
use crate::debug::{meet, steps};
use crate::mm::{frames, spaces};
use crate::modules::Module;
use crate::process::{self, Thread};
use crate::sync::order;
use crate::sync::sleep::{RawSleepMutex, RawSleepRwLock};
use crate::sync::spin::{RawIrqSpin, RawSpin};
use crate::sync::wait::Interruptible;
use crate::vfs::poll::PollQueue;
use crate::vfs::{FileOps, devtmpfs};
use crate::{arch, chrdev, sync};

/// Whether every put of a heap's reference is logged.
pub static TRACE_PUTS: AtomicBool = AtomicBool::new(false);

/// This kernel.
pub struct Kernel;

impl Pages for Kernel {
    fn alloc_run(order: u32) -> Option<PhysAddr> {
        machine::alloc(order)
    }

    fn free_run(start: PhysAddr, order: u32) {
        machine::free(start, order);
    }

    fn zero(start: PhysAddr, pages: usize) {
        machine::zero(start, pages);
    }

    fn admit(pages: usize) -> Result<()> {
        machine::admit(pages)
    }

    fn fatal_signal_pending() -> bool {
        process::with_current(Thread::is_killed).unwrap_or(false)
    }
}

impl Platform for Kernel {
    type ListLock = RawSleepMutex<{ order::HEAP_LIST }>;
    type HeapGuard = RawSleepRwLock<{ order::HEAP_GUARD }>;
    type BufferLock = RawSpin<{ order::BUFFER }>;
    type ResvLock = RawSleepMutex<{ order::RESERVATION }>;
    type FenceLock = RawIrqSpin<{ order::FENCE }>;
    type PoolLock = RawSpin<{ order::CONTIG }>;
    type CdevLock = RawSpin<{ order::CDEV_INODES }>;
    type WaitQueue = Queue;
    type PollQueue = PollQueue;
    type Module = Module;
    type Charge = Charge;
    type BufferRef = BufferRef;
    type File = Box<dyn FileOps>;

    fn heap_file(file: HeapFile<Self>) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenHeap(file)))
    }

    fn evict(run: Run) -> Result<()> {
        regions::evict(run)
    }

    fn memory() -> Run {
        machine::memory()
    }

    fn charge(bytes: usize) -> Result<Charge> {
        Charge::new(bytes)
    }

    fn cpu() -> usize {
        arch::cpu_id()
    }

    fn cdev_map(devt: DevT, cdev: CdevPtr<Self>) -> Result<()> {
        chrdev::map(devt, cdev)
    }

    fn cdev_unmap(devt: DevT) {
        chrdev::unmap(devt);
    }

    fn device_create(name: &str, devt: DevT) -> Result<()> {
        devtmpfs::device_create(&format!("dma_heap/{name}"), devt, 0o600).map(drop)
    }

    fn device_destroy(devt: DevT) {
        devtmpfs::device_destroy(devt);
    }

    fn now_ns() -> u64 {
        arch::now_ns()
    }

    fn read_page(start: PhysAddr, offset: usize, into: &mut [u8]) {
        frames::read(start, offset, into);
    }

    fn write_page(start: PhysAddr, offset: usize, from: &[u8]) {
        frames::write(start, offset, from);
    }

    fn each_buffer(each: &mut dyn FnMut(&DmaBuf<Kernel>)) {
        list::each(|_, buffer| each(buffer));
    }

    fn unmap_revoked() {
        spaces::unmap_revoked();
    }

    fn name_object(object: *const u8, kind: &'static str) {
        machine::name_object(object, kind);
    }

    fn counted(count: *const u8, taken: bool) {
        machine::counted(count, taken);
    }

    fn refcount_fault(fault: Fault, count: *const u8) {
        machine::refcount_fault(fault, count);
    }

    #[inline]
    fn trace(event: Event) {
        if steps::are_on() {
            steps::arrive(event.name());
        }
        if let Event::HeapPut { minor } = event {
            print_put(minor);
        }
    }

    fn released(table: &SgTable) {
        frame_state::released(table);
    }

    fn traces_puts() -> bool {
        TRACE_PUTS.load(Ordering::Relaxed)
    }

    fn meet(point: Point, minor: u32) {
        meet::arrive(point, Some(minor));
    }
}

#[cold]
#[inline(never)]
fn print_put(minor: u32) {
    log::info!("dma_heap {minor}: put");
}

/// A place to sleep, for the subsystem.
pub struct Queue(sync::WaitQueue);

impl heaps::WaitQueue for Queue {
    fn new() -> Self {
        Queue(sync::WaitQueue::new())
    }

    fn wait_until(&self, done: &mut dyn FnMut() -> bool) {
        self.0.wait(|| done().then_some(()));
    }

    fn wait_interruptible(&self, done: &mut dyn FnMut() -> bool) -> Result<()> {
        self.0.wait_interruptible(Interruptible::Yes, || done().then_some(()))
    }

    fn wake_all(&self) {
        self.0.wake_all();
    }
}

impl heaps::PollQueue for PollQueue {
    fn new() -> Self {
        PollQueue::new()
    }

    fn notify(&self) {
        PollQueue::notify(self, 0);
    }
}
