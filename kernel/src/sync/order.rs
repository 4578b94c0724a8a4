//! Lock order: every lock has a rank, and a CPU or task may only take a lock of a higher rank than all it holds.
//!
//! This file is the written order; [`acquire`] is its check. Sleeping locks come first, because nobody
//! may sleep under a spinning one. Two locks of one rank are never held together.

use crate::arch;
use crate::debug::report;

/// A place in the lock order. Lower ranks are taken first (outermost).
pub type Rank = u8;

macro_rules! ranks {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: Rank = $value;)*

        /// The name of a rank, for reports.
        pub const fn name(rank: Rank) -> &'static str {
            match rank {
                $($value => stringify!($name),)*
                _ => "unranked",
            }
        }
    };
}

ranks! {
    // Sleeping locks.
    MODULES = 1, "Loading and unloading; held over a module's init and exit, which register and unregister heaps.";
    HEAP_GUARD = 2, "A heap's guard: shared by calls in flight, exclusive for publishing and unregistering.";
    HEAP_LIST = 3, "The heap list and the minors table (a mutex, as Linux's is).";
    FILE_POS = 4, "One open file's position, over a whole read or write; user memory may be touched under it.";
    INODE = 5, "Changing a regular file's contents or size; user memory may be touched under it.";
    NAMESPACE = 6, "Creating and removing names in a directory, device registration.";
    EPOLL = 7, "One epoll's harvest, or a new link between two; user memory may be touched under it.";
    SOCKET_RECEIVE = 8, "The turn to receive from one socket; user memory may be touched under it.";
    OOM = 9, "The turn to choose whom to kill for memory.";
    MMAP = 10, "One address space's layout; page faults take it.";
    SHARED_PAGES = 11, "Anonymous pages that several address spaces map.";
    FILE_DATA = 12, "Contents of a regular file; user memory is not touched under it.";
    MOUNTS = 13, "What is mounted where.";
    RESERVATION = 14, "Whom one dma-buf is attached to; importers map, and stop, under it.";
    DRAINED = 15, "No lock: to wait until all of a provider's memory is back, for which others need the next.";
    PROVIDER = 16, "A heap provider's own lock.";
    DEVICE = 17, "The turn to use a device, or to change what it reaches; those stop one who take a dma-buf from it.";
    // Spinning locks.
    PROCESS_TREE = 18, "Parents, children, thread groups.";
    TASK = 19, "One thread's or process' references: address space, files, task.";
    FD_TABLE = 20, "One process' file descriptors.";
    SOCKET_NAMES = 21, "The abstract names of sockets; what a socket's file leads to.";
    SOCKET_TOPOLOGY = 22, "Which socket is whose peer.";
    EPOLL_ITEMS = 23, "The files one epoll watches.";
    MAPPERS = 24, "The address spaces that map a file.";
    CDEV_MAP = 25, "dev_t to cdev; also guards an inode's cached cdev.";
    CDEV_INODES = 26, "The inodes that cache a cdev.";
    DENTRY = 27, "One directory's entries.";
    FILE_LINKS = 28, "The epolls that watch one open file, and files whose last close is put off.";
    FLIGHT = 29, "The files that are in sockets' queues.";
    HEAP_STATE = 30, "One heap's, one module's or one open device's state.";
    SOCKET = 31, "One socket: its queues, its peer.";
    SPACES = 32, "The list of address spaces.";
    FIFO = 33, "A named pipe's way to its bytes.";
    BUFFERS = 34, "The list of all dma-bufs.";
    BUFFER = 35, "One dma-buf: name, fences; or one timeline of fences.";
    PIPE = 36, "One pipe's bytes, or one event counter's or timer's state.";
    SIGNALS = 37, "One process' signal dispositions and pending set.";
    DYING = 38, "What one thread is about to drop.";
    FILE_LOCKS = 39, "The locks on files.";
    STRACE = 40, "The line of a trace that is being written.";
    FUTEX = 41, "One bucket of the futex table.";
    STACKS = 42, "Idle kernel stacks.";
    CONTIG = 43, "A contiguous-memory region's free ranges.";
    FRAME_CACHE = 44, "The free page frames one CPU keeps to itself.";
    FRAMES = 45, "Free page frames.";
    FENCE = 46, "One fence: whether it is signalled, whom it calls. Interrupts are off.";
    POLL_QUEUE = 47, "Who watches one file's readiness. Interrupts are off.";
    WAIT_QUEUE = 48, "One wait queue. Interrupts are off.";
    EPOLL_READY = 49, "One epoll's ready files. Interrupts are off.";
    TIMERS = 50, "Sleeping tasks by wake-up time. Interrupts are off.";
    RUN_QUEUE = 51, "One CPU's runnable tasks. Interrupts are off.";
    USER_ROOT = 52, "The page table a thread runs on. Interrupts are off.";
    OBJECTS = 53, "The kernel object heap and its quarantine. Interrupts are off.";
    LOG_READER = 54, "A reader's place in the kernel log. Interrupts are off.";
    MODULE_PLACES = 55, "The addresses of modules, and of those that have gone. Interrupts are off.";
    REPORTS = 56, "Detection reports. Interrupts are off.";
    RECEIVER = 57, "The console's receiver, over each byte. Interrupts are off.";
    LOG = 58, "The kernel log. Interrupts are off.";
    TTY = 59, "The console's line discipline; what it shows is sent under it. Interrupts are off.";
    UART = 60, "The console's transmitter. Interrupts are off.";
    STEPS = 61, "The steps that tasks took. Interrupts are off.";
    REFERENCES = 62, "The history of references. Interrupts are off.";
    IOMMU_QUEUES = 63, "The IOMMU's commands and events, or what was unmapped for a device. Interrupts are off.";
}

/// Locks under which the allocators and the scheduler keep their own books. What is allocated under them grows and
/// shrinks with use and says nothing about who holds what.
pub const BOOKKEEPING: u64 =
    1 << BUFFERS | 1 << STACKS | 1 << CONTIG | 1 << FRAMES | 1 << WAIT_QUEUE | 1 << TIMERS | 1 << RUN_QUEUE;

/// First rank that belongs to spinning locks: holding one of these or above, nobody sleeps.
pub const FIRST_SPINNING: Rank = PROCESS_TREE;

/// First rank that interrupt handlers take: from here on, every lock masks interrupts.
pub const FIRST_MASKED: Rank = FENCE;

/// Notes that this CPU is about to take a lock of `rank`, and reports an inversion.
#[inline]
pub fn acquire(rank: Rank) {
    acquire_unless(rank, || false);
}

/// Like [`acquire`] for a sleeping lock that knows its owner. Where that is the caller (`is_mine`, asked only when the
/// order is broken anyway) it would wait for itself: that is reported as a deadlock, and the task ends here.
#[inline]
pub fn acquire_unless(rank: Rank, is_mine: impl FnOnce() -> bool) {
    let held = arch::held_locks();
    if held >> rank != 0 {
        inversion(rank, held, held >> rank & 1 == 1 && is_mine());
    }
    arch::set_held_locks(held | 1 << rank);
}

/// Whether this CPU holds a lock of `rank`.
#[inline]
pub fn holds(rank: Rank) -> bool {
    arch::held_locks() >> rank & 1 == 1
}

/// Like [`acquire`] for a lock that was taken without waiting: no inversion can deadlock there.
#[inline]
pub fn acquired_by_try(rank: Rank) {
    arch::set_held_locks(arch::held_locks() | 1 << rank);
}

/// Notes that a lock of `rank` was given back.
#[inline]
pub fn release(rank: Rank) {
    arch::set_held_locks(arch::held_locks() & !(1 << rank));
}

/// Whether this CPU holds a spinning lock, and therefore may not sleep or touch user memory.
#[inline]
pub fn holds_spinning() -> bool {
    arch::held_locks() >> FIRST_SPINNING != 0
}

#[cold]
#[inline(never)]
fn inversion(rank: Rank, held: u64, again: bool) {
    if again {
        report::deadlock(rank);
    }
    let worst = (63 - held.leading_zeros()) as Rank;
    report::lock_order(rank, worst);
}
