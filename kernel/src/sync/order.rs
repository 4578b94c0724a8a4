//! Lock order: every lock has a rank, and a CPU or task may only take a lock of a higher rank than all it holds.
//!
//! This file is the written order; [`acquire`] is its check. Sleeping locks come first, because nobody
//! may sleep under a spinning one. Two locks of one rank are never held together.

use crate::arch;

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
    FILE_POS = 3, "One open file's position, over a whole read or write; user memory may be touched under it.";
    NAMESPACE = 4, "Creating and removing names in a directory, device registration.";
    EXEC = 5, "Replacing a process image.";
    MMAP = 6, "One address space's layout; page faults take it.";
    SHARED_PAGES = 7, "Anonymous pages that several address spaces map.";
    FILE_DATA = 8, "Contents of a regular file; user memory is not touched under it.";
    // Spinning locks.
    PROCESS_TREE = 16, "Parents, children, thread groups.";
    TASK = 17, "One thread's or process' references: address space, files, task.";
    FD_TABLE = 18, "One process' file descriptors.";
    CDEV_MAP = 20, "dev_t to cdev; also guards an inode's cached cdev.";
    CDEV_INODES = 21, "The inodes that cache a cdev.";
    DENTRY = 22, "One directory's entries.";
    HEAP_LIST = 24, "The heap list and the minors table.";
    HEAP_STATE = 26, "One heap's or one module's state.";
    BUFFER = 28, "One dma-buf: name, counters.";
    PIPE = 29, "One pipe's bytes.";
    SIGNALS = 30, "One process' signal dispositions and pending set.";
    FUTEX = 32, "One bucket of the futex table.";
    CONTIG = 34, "A contiguous-memory region's free ranges.";
    STACKS = 33, "Idle kernel stacks.";
    FRAME_CACHE = 35, "The free page frames one CPU keeps to itself.";
    FRAMES = 36, "Free page frames.";
    WAIT_QUEUE = 38, "One wait queue. Interrupts are off.";
    TIMERS = 40, "Sleeping tasks by wake-up time. Interrupts are off.";
    RUN_QUEUE = 42, "One CPU's runnable tasks. Interrupts are off.";
    USER_ROOT = 43, "The page table a thread runs on. Interrupts are off.";
    OBJECTS = 44, "The kernel object heap and its quarantine. Interrupts are off.";
    MODULE_PLACES = 45, "The addresses of modules, and of those that have gone. Interrupts are off.";
    REPORTS = 46, "Detection reports. Interrupts are off.";
    LOG = 48, "The kernel log. Interrupts are off.";
    UART = 50, "The console's transmitter and receiver. Interrupts are off.";
}

/// Locks under which the allocators and the scheduler keep their own books. What is allocated under them grows and
/// shrinks with use and says nothing about who holds what.
pub const BOOKKEEPING: u64 = 1 << STACKS | 1 << FRAMES | 1 << WAIT_QUEUE | 1 << TIMERS | 1 << RUN_QUEUE;

/// First rank that belongs to spinning locks: holding one of these or above, nobody sleeps.
pub const FIRST_SPINNING: Rank = PROCESS_TREE;

/// First rank that interrupt handlers take: from here on, every lock masks interrupts.
pub const FIRST_MASKED: Rank = WAIT_QUEUE;

/// Notes that this CPU is about to take a lock of `rank`, and reports an inversion.
#[inline]
pub fn acquire(rank: Rank) {
    let held = arch::held_locks();
    if held >> rank != 0 {
        inversion(rank, held);
    }
    arch::set_held_locks(held | 1 << rank);
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
fn inversion(rank: Rank, held: u64) {
    let worst = (63 - held.leading_zeros()) as Rank;
    crate::debug::report::lock_order(rank, worst);
}
