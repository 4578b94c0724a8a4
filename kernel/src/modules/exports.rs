//! What the kernel offers to modules: the kernel's side of [`sdk::exports`].
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::dma_buf::{Direction, DmaTable, Importer};
use heaps::exporter::Contiguous;
use heaps::fallible::try_box;
use heaps::platform::Point;
use heaps::{Errno, PAGE_SHIFT, Pages, PhysAddr, Result, Run, SgTable};
use sdk::exports::{Exports, RawLock};

use super::ModuleRef;
use crate::debug::meet;
use crate::drivers::dma_heap::{Kernel, frame_state, regions};
use crate::drivers::import::Import;
use crate::mm::module::{allocate, deallocate};
use crate::process;
use crate::sync::wait::Interruptible;
use crate::sync::{Mutex, WaitQueue, order};

const EXPORTS: Exports = Exports {
    allocate,
    deallocate,
    log: |text| log::info!("{text}"),
    panic: |text| panic!("a module: {text}"),
    alloc_run: Kernel::alloc_run,
    free_run: Kernel::free_run,
    zero: Kernel::zero,
    admit: Kernel::admit,
    fatal_signal_pending: Kernel::fatal_signal_pending,
    wait_killed,
    visit_dma_buf,
    find_contiguous: || region().map(|region| region.span()),
    take_contiguous: |pages| region()?.take(pages),
    give_back_contiguous,
    register_heap: super::heaps::register,
    unregister_heap: super::heaps::unregister,
    unplug_heap: super::heaps::unplug,
    report: |this, name, value| super::containing(this).ok_or(Errno::ENODEV)?.report(name, value),
    hold_module,
    meet_allocate: || meet::arrive(Point::Allocate, None),
    freed,
    wait_drained,
    wake_drained: || DRAINED.wake_all(),
    new_lock: || Ok(try_box(Lock(Mutex::new(())))?),
};

/// A provider's own lock.
struct Lock(Mutex<(), { order::PROVIDER }>);

impl RawLock for Lock {
    fn with(&self, work: &mut dyn FnMut()) {
        let _held = self.0.lock();
        work();
    }
}

/// Where providers that wait at their end do. One for all: whoever gives the last memory back must not touch the
/// provider after.
static DRAINED: WaitQueue = WaitQueue::new();

fn wait_drained(drained: &mut dyn FnMut() -> bool) {
    // Who gives memory back takes a lock on the way: to wait under that lock is to take the two the wrong way round,
    // whether or not anybody is about to.
    order::acquire(order::DRAINED);
    DRAINED.wait(|| drained().then_some(()));
    order::release(order::DRAINED);
}

fn wait_killed() {
    static NOBODY: WaitQueue = WaitQueue::new();
    // Being killed is what it ends by.
    let _ = NOBODY.wait_interruptible(Interruptible::Killable, || None::<()>);
}

fn hold_module(this: usize) -> Result<Box<dyn Send>> {
    let module = super::containing(this).ok_or(Errno::ENODEV)?;
    Ok(try_box(ModuleRef::pin(Some(&module.module))?)?)
}

/// A module's device: it reaches all memory, by its physical addresses.
struct Probe;

impl Importer for Probe {
    fn name(&self) -> &str {
        "module"
    }

    fn map(&self, pages: &SgTable, _: Direction) -> Result<DmaTable> {
        DmaTable::direct(pages)
    }
}

fn visit_dma_buf(fd: i32, each: &mut dyn FnMut(usize)) -> Result<()> {
    let files = process::with_current(|thread| thread.files().clone()).ok_or(Errno::EBADF)?;
    let import = Import::get(&files, fd, Probe)?;
    import.runs().iter().for_each(|run| each(run.len >> PAGE_SHIFT));
    Ok(())
}

fn freed(start: PhysAddr, pages: usize) {
    if let Ok(frames) = Run::new(start, pages) {
        frame_state::check(&[frames]);
    }
}

fn region() -> Result<impl Contiguous> {
    regions::default_pool().ok_or(Errno::ENODEV)
}

fn give_back_contiguous(run: Run) {
    // Without a region nobody has a run to give back.
    if let Ok(region) = region() {
        region.give_back(run);
    }
}

/// The address of an exported function.
pub fn find(name: &str) -> Option<u64> {
    let is_it = |(known, _): &(&str, usize)| *known == name;
    let found = EXPORTS.symbols().into_iter().find(is_it);
    #[cfg(feature = "kasan")]
    let found = found.or_else(|| crate::arch::detector::symbols().find(is_it));
    found.map(|(_, address)| address as u64)
}
