//! Everything the subsystem needs from the kernel around it.
//!
//! One trait without values: a kernel has one implementation, a host test another. Each lock is an associated
//! type, so that an implementation can give every one its rank and have lock order checked.

use core::ops::Deref;

use lock_api::{RawMutex, RawRwLock};

use crate::addr::PhysAddr;
use crate::cdev::{CdevPtr, DevT};
use crate::dma_buf::DmaBuf;
use crate::heap_file::HeapFile;
use crate::refcount::Fault;
use crate::sg::{Run, SgTable};
use crate::{Errno, Result};

/// Page frames, as exporters need them: all that a heap takes from the kernel to hand out memory.
pub trait Pages: Send + Sync + 'static {
    /// Takes a naturally aligned run of `1 << order` page frames, contents unspecified. `None` when there is
    /// none of that order: the caller tries a smaller one. May sleep.
    fn alloc_run(order: u32) -> Option<PhysAddr>;

    /// Gives back what `alloc_run` gave, with the same order.
    fn free_run(start: PhysAddr, order: u32);

    /// Zeroes `pages` page frames from `start`, which this crate owns.
    fn zero(start: PhysAddr, pages: usize);

    /// Whether an allocation of `pages` page frames is sensible at all; `ENOMEM` if the machine could never
    /// satisfy it. Called before anything is built.
    fn admit(pages: usize) -> Result<()>;

    /// Whether the current task has been killed: long work then stops with `EINTR`.
    fn fatal_signal_pending() -> bool;
}

/// The kernel, as this crate sees it.
///
/// Unless said otherwise a function may be called from any task and may not sleep. Lock order, outermost
/// first: `HeapGuard`, then `ListLock` and whatever the device and page hooks take, in either order, for neither is
/// taken under the other; `ResvLock`, with whatever an importer takes to map, under none of these; `PoolLock`
/// and `CdevLock` are leaves, and so is `BufferLock`, but that `FenceLock` may be taken under it. No hook is called under any but `HeapGuard`, except `refcount_fault`, `counted` and
/// `meet`, which may come under `ListLock`, and `read_page` and `write_page`, which come under `ResvLock`. The last put of a heap,
/// from the drop of a [`HeapFile`] or a [`DmaBuf`], may call the device hooks too.
pub trait Platform: Pages + Sized {
    /// The registry's names and minors (Linux: `heap_list_lock`, a mutex). Held for short, bounded work, but for
    /// whoever is made to wait in `meet`: where it can wait, this must be a *sleeping* lock.
    type ListLock: RawMutex + Send + Sync;
    /// The guard of one heap's calls in flight. Must be a *sleeping* lock: it is read-held across
    /// [`HeapOps::allocate`](crate::HeapOps::allocate), which may sleep.
    type HeapGuard: RawRwLock + Send + Sync;
    /// A dma-buf's name or its fences, or a timeline's.
    type BufferLock: RawMutex + Send + Sync;
    /// One dma-buf's attachments (Linux: the reservation object's lock, a wound-wait mutex). Must be a *sleeping* lock:
    /// it is held while an importer maps.
    type ResvLock: RawMutex + Send + Sync;
    /// One fence's state. Interrupt handlers take it when they signal: it has to keep them out.
    type FenceLock: RawMutex + Send + Sync;
    /// A contiguous region's allocator.
    type PoolLock: RawMutex + Send + Sync;
    /// A cdev's list of the caches that point to it (Linux: `cdev_lock`).
    type CdevLock: RawMutex + Send + Sync;
    /// Where tasks sleep: an unregistering one until readers have gone, others until a fence is signalled.
    type WaitQueue: WaitQueue;
    /// Those who poll something.
    type PollQueue: PollQueue;
    /// A handle on a module.
    type Module: Module;
    /// What a buffer takes of somebody's share. Dropped with the buffer, wherever its last reference was.
    type Charge: Send + Sync;
    /// A counted reference to the file that owns a buffer (Linux: `get_dma_buf`), which importers hold.
    type BufferRef: Clone + Deref<Target = DmaBuf<Self>> + Send + Sync + 'static;
    /// What opening a character device yields: the kernel's file operations and their state.
    type File;

    /// Wraps an open heap as the kernel's file. `ENOMEM` drops (and so releases) `file`.
    fn heap_file(file: HeapFile<Self>) -> Result<Self::File>;

    /// Moves whoever was lent page frames of `run` off them, contents and all, and gives those back
    /// ([`CmaRegion::take_back`](crate::exporter::CmaRegion::take_back)). Who is moved may be using them meanwhile, on
    /// any CPU. `EBUSY` where one stays because somebody goes by its address, `ENOMEM` where there is nothing to move to;
    /// others are moved all the same. May sleep.
    fn evict(run: Run) -> Result<()>;

    /// The page frames of the machine, from the first to the last; not all of them need be there.
    fn memory() -> Run;

    /// Accounts for `bytes` (whole pages) of a buffer to whoever the calling task acts for; dropping the value takes
    /// them back. `EDQUOT` when that is more than it may hold, `ENOMEM`.
    fn charge(bytes: usize) -> Result<Self::Charge>;

    /// The current CPU's number; it may be stale on return. Only spreads counters over cache lines.
    fn cpu() -> usize;

    /// Enters `cdev` in the map of character devices (Linux: `cdev_add`'s `kobj_map`): from now on an open of
    /// any inode with this number may find it. The map keeps the pointer, uncounted, until `cdev_unmap`.
    /// `EBUSY` when the number is taken, `ENOMEM`. May sleep.
    fn cdev_map(devt: DevT, cdev: CdevPtr<Self>) -> Result<()>;

    /// Takes a number out of the map; when it returns no look-up hands the pointer out any more. May sleep.
    fn cdev_unmap(devt: DevT);

    /// Creates the node `dma_heap/NAME` for a number (Linux: `device_create`). `EEXIST` when the name is
    /// taken, `ENOMEM`. May sleep. `name` is copied.
    fn device_create(name: &str, devt: DevT) -> Result<()>;

    /// Removes the node created for a number (Linux: `device_destroy`); open files stay. May sleep.
    fn device_destroy(devt: DevT);

    /// The monotonic clock, in nanoseconds. From any context.
    fn now_ns() -> u64;

    /// Copies bytes out of the page frame at `start`, from `offset` on and not past its end, through the CPU's cache.
    fn read_page(start: PhysAddr, offset: usize, into: &mut [u8]);

    /// Copies bytes into it, likewise.
    fn write_page(start: PhysAddr, offset: usize, from: &[u8]);

    /// Calls `each` with every buffer that a file owns, under no lock. Buffers whose file is made, or ends, meanwhile may
    /// be left out. May sleep.
    fn each_buffer(each: &mut dyn FnMut(&DmaBuf<Self>));

    /// Takes the pages of every revoked buffer ([`DmaBuf::is_revoked`]) out of every address
    /// space. When it returns no access reaches them, and none will. May sleep.
    fn unmap_revoked();

    /// Says what kind of object was just allocated at `object`, for reports about it.
    fn name_object(object: *const u8, kind: &'static str);

    /// A reference of the count at `count` was `taken`, or is about to be put. From any context; does not sleep.
    fn counted(count: *const u8, taken: bool);

    /// The reference count at `count` was misused. It has been saturated: its object leaks and stays valid.
    fn refcount_fault(fault: Fault, count: *const u8);

    /// Something worth a line in a timeline happened, here and now. May be made to wait, as in [`meet`](Platform::meet).
    fn trace(event: Event);

    /// Whether somebody wants to hear of every put of a heap's reference ([`Event::HeapPut`]); asked before each, and
    /// false as a rule.
    fn traces_puts() -> bool;

    /// The memory of a buffer is about to go back to its heap, and from there to anybody: whoever reaches it still is at
    /// fault. A platform that wants to know looks now; one that does not need not. May sleep.
    fn released(table: &SgTable) {
        let _ = table;
    }

    /// The caller has come to `point` on behalf of the heap with this minor. May be made to wait there (and so sleep,
    /// under `HeapGuard` or `ListLock` where the point says so), that another path can be made to meet it.
    fn meet(point: Point, minor: u32);
}

/// Where two paths can be made to meet; see [`Platform::meet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Point {
    /// In open: the VFS holds the cdev; the heap has not been looked at.
    Open,
    /// In open: the heap was found, and no reference taken. Under `ListLock` where it is a look-up by minor.
    Found,
    /// In registering: the cdev is live, and what comes next can fail. Under `HeapGuard` with `lastref`.
    Live,
    /// In a search by name: this heap was compared, is not the one, and is let go next. Under `ListLock`.
    Compared,
    /// In a provider's `allocate`, which may sleep.
    Allocate,
}

impl Point {
    /// Every point, in the order of their numbers.
    pub const ALL: [Point; 5] = [Point::Open, Point::Found, Point::Live, Point::Compared, Point::Allocate];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Point::Open => "open",
            Point::Found => "found",
            Point::Live => "live",
            Point::Compared => "compared",
            Point::Allocate => "allocate",
        }
    }
}

/// A place to sleep until a condition holds.
pub trait WaitQueue: Send + Sync + 'static {
    /// An empty queue.
    fn new() -> Self;

    /// Sleeps, uninterruptibly, until `done()` is true. `done` has no side effects, and is called again after
    /// each [`wake_all`](WaitQueue::wake_all); a wake-up between its call and the sleep is not lost.
    fn wait_until(&self, done: &mut dyn FnMut() -> bool);

    /// The same, but ends with `EINTR` when a signal is pending.
    fn wait_interruptible(&self, done: &mut dyn FnMut() -> bool) -> Result<()>;

    /// Wakes every sleeper. Does not sleep; from any context.
    fn wake_all(&self);
}

/// Those who want to know when something becomes ready (Linux: a `wait_queue_head_t` as `poll` uses it).
pub trait PollQueue: Send + Sync + 'static {
    /// An empty queue.
    fn new() -> Self;

    /// It may be ready now. Does not sleep; from any context.
    fn notify(&self);
}

/// A module that can be kept loaded (Linux: `try_module_get`, `module_put`).
pub trait Module: Clone + Send + Sync + 'static {
    /// Takes a reference, unless the module is on its way out.
    #[must_use]
    fn try_get(&self) -> bool;

    /// Drops a reference taken by `try_get`.
    fn put(&self);
}

/// A counted reference to a module: it stays loaded until this is dropped.
pub struct ModuleRef<M: Module>(M);

impl<M: Module> ModuleRef<M> {
    /// Pins `module` if there is one to pin; `ENODEV` when it is on its way out.
    pub fn pin(module: Option<&M>) -> Result<Option<ModuleRef<M>>> {
        match module {
            None => Ok(None),
            Some(m) if m.try_get() => Ok(Some(ModuleRef(m.clone()))),
            Some(_) => Err(Errno::ENODEV),
        }
    }
}

impl<M: Module> Drop for ModuleRef<M> {
    fn drop(&mut self) {
        self.0.put();
    }
}

/// What [`Platform::trace`] is told. The kernel adds time, CPU and task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A heap got this minor and is about to be published.
    HeapAdd {
        /// Its minor number.
        minor: u32,
    },
    /// A heap's registration was ended.
    HeapUnregister {
        /// Its minor number.
        minor: u32,
    },
    /// The calls in flight at unregistering have ended.
    HeapDrained {
        /// Its minor number.
        minor: u32,
    },
    /// A reference to a heap was put.
    HeapPut {
        /// The heap's minor number.
        minor: u32,
    },
    /// A heap's memory is given back.
    HeapFree {
        /// Its minor number.
        minor: u32,
    },
    /// It was. Carries no minor: whoever would say it has gone.
    HeapFreed,
    /// The list was searched, for a minor or a name, and its lock given back.
    HeapLookedUp,
    /// A call into the provider has come back, and keeps nobody waiting any more.
    HeapCalled,
    /// A heap was opened.
    HeapOpen {
        /// Its minor number.
        minor: u32,
    },
    /// A heap's file was released. Carries no minor: the heap may be gone already.
    HeapRelease,
    /// A buffer was allocated.
    BufferAlloc {
        /// In bytes, whole pages.
        size: usize,
    },
    /// A buffer's last reference went.
    BufferRelease {
        /// In bytes.
        size: usize,
    },
    /// A buffer's CPU access began or ended.
    BufferSync {
        /// The `DMA_BUF_SYNC_*` bits.
        flags: u64,
    },
    /// A provider's private data and name are freed.
    ProviderFree,
    /// The provider's driver has let go of them: freed, or left to whoever else holds them.
    ProviderPut,
    /// A reference to a cdev is about to be put.
    CdevPut,
    /// A cdev's last reference went; caches that point to it are purged.
    CdevRelease {
        /// Its number.
        devt: DevT,
    },
}

impl Event {
    /// Its name in a timeline.
    pub const fn name(self) -> &'static str {
        match self {
            Event::HeapAdd { .. } => "heap-add",
            Event::HeapUnregister { .. } => "heap-unregister",
            Event::HeapDrained { .. } => "heap-drained",
            Event::HeapPut { .. } => "heap-put",
            Event::HeapFree { .. } => "heap-free",
            Event::HeapFreed => "heap-freed",
            Event::HeapLookedUp => "heap-looked-up",
            Event::HeapCalled => "heap-called",
            Event::HeapOpen { .. } => "heap-open",
            Event::HeapRelease => "heap-release",
            Event::BufferAlloc { .. } => "buffer-alloc",
            Event::BufferRelease { .. } => "buffer-release",
            Event::BufferSync { .. } => "buffer-sync",
            Event::ProviderFree => "provider-free",
            Event::ProviderPut => "provider-put",
            Event::CdevPut => "cdev-put",
            Event::CdevRelease { .. } => "cdev-release",
        }
    }
}
