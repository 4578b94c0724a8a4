//! The functions the kernel offers to modules (Linux: what `EXPORT_SYMBOL` marks).
//!
//! One list makes both sides: for the kernel a table to fill, whose fields have the functions' types, for a module
//! the functions to call. So a call has the type of what answers it, for as long as both were made from this list,
//! which the version magic holds.
#![allow(unsafe_code)]

use alloc::boxed::Box;

use heaps::{HeapOps, PhysAddr, Result, Run};

/// A sleeping lock of the kernel's.
pub trait RawLock: Send + Sync {
    /// Does `work`, once, with the lock held. May sleep.
    fn with(&self, work: &mut dyn FnMut());
}

macro_rules! exports {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)?;)*) => {
        /// The kernel's side: a function for each name.
        pub struct Exports {
            $($(#[$doc])* pub $name: fn($($type),*) $(-> $ret)?,)*
        }

        impl Exports {
            /// How many there are.
            pub const COUNT: usize = [$(stringify!($name)),*].len();

            /// Each function's symbol and address.
            pub fn symbols(&self) -> [(&'static str, usize); Self::COUNT] {
                [$((concat!("lastref_", stringify!($name)), self.$name as *const () as usize)),*]
            }
        }

        #[cfg(target_os = "none")]
        mod imported {
            use super::*;

            // SAFETY: the loader resolves each name to the field of `Exports` that came from the same line of the
            // list, and refuses modules whose version magic says that list, or compiler, was another. The fields
            // are safe functions.
            unsafe extern "Rust" {
                $(
                    #[link_name = concat!("lastref_", stringify!($name))]
                    pub safe fn $name($($arg: $type),*) $(-> $ret)?;
                )*
            }
        }

        $(
            $(#[$doc])*
            #[cfg(target_os = "none")]
            pub fn $name($($arg: $type),*) $(-> $ret)? {
                imported::$name($($arg),*)
            }
        )*
    };
}

exports! {
    /// Takes `size` bytes of the object heap, aligned to `align`, a power of two. Null when there are none.
    fn allocate(size: usize, align: usize) -> *mut u8;
    /// Gives back the object at `object`, which `allocate` gave. What is none is reported, and nothing done.
    fn deallocate(object: *mut u8);
    /// A line for the kernel's log.
    fn log(text: &str);
    /// Ends the machine.
    fn panic(text: &str) -> !;
    /// Takes `1 << order` page frames, contents unspecified; `None` when there are none of that order. May sleep.
    fn alloc_run(order: u32) -> Option<PhysAddr>;
    /// Gives back what `alloc_run` gave, with the same order.
    fn free_run(start: PhysAddr, order: u32);
    /// Zeroes `pages` page frames from `start`, which the caller owns.
    fn zero(start: PhysAddr, pages: usize);
    /// `ENOMEM` when the machine could never give `pages` page frames.
    fn admit(pages: usize) -> Result<()>;
    /// Whether the current task has been killed.
    fn fatal_signal_pending() -> bool;
    /// Sleeps until the current task has been killed.
    fn wait_killed();
    /// Attaches a device that reaches all memory to the dma-buf behind descriptor `fd` of the current process, maps it,
    /// calls `each` with the pages of each run, in order, and detaches again. `EBADF`, `EINVAL` for another kind of file,
    /// `ENODEV` for a buffer that was revoked, `ENOMEM`. May sleep.
    fn visit_dma_buf(fd: i32, each: &mut dyn FnMut(usize)) -> Result<()>;
    /// All page frames of the contiguous region; `ENODEV` when there is none.
    fn find_contiguous() -> Result<Run>;
    /// Takes `pages` page frames in one run of the contiguous region. `ENODEV`, `ENOMEM`, `EINTR`. May sleep.
    fn take_contiguous(pages: usize) -> Result<Run>;
    /// Gives back what `take_contiguous` gave.
    fn give_back_contiguous(run: Run);
    /// The caller is in a provider's `allocate`, where it can be made to wait. May sleep.
    fn meet_allocate();
    /// The caller is about to free `pages` page frames from `start`: reports it if user space maps one of them.
    fn freed(start: PhysAddr, pages: usize);
    /// Sleeps, uninterruptibly, until `drained` says that all of a provider's memory is back. It is asked again after
    /// each `wake_drained`.
    fn wait_drained(drained: &mut dyn FnMut() -> bool);
    /// Wakes those who wait until memory is back, whichever provider's.
    fn wake_drained();
    /// A sleeping lock, with the rank of a provider's own. `ENOMEM`.
    fn new_lock() -> Result<Box<dyn RawLock>>;
    /// Registers a heap called `name`, on behalf of the module whose descriptor is at `this`, and returns its handle.
    /// `EINVAL` for a name that cannot be a file's, or where either is missing, `ENODEV` for an address that is no module's;
    /// `EBUSY`, `EEXIST`, `ENOMEM`; an error frees `ops`. May sleep. Only from a module's entries.
    fn register_heap(this: usize, name: Option<&str>, ops: Option<Box<dyn HeapOps>>) -> Result<u64>;
    /// Unregisters the heap of this handle. `EBUSY` when the discipline refuses: it is registered still. `ENODEV` for
    /// a handle that is none. May sleep. Only from a module's entries.
    fn unregister_heap(this: usize, handle: u64) -> Result<()>;
    /// The same for a heap whose device has gone, and its memory with it.
    fn unplug_heap(this: usize, handle: u64) -> Result<()>;
    /// Has the parameter `name` of the module whose descriptor is at `this` show `value` from now on. `EINVAL` for one
    /// that it does not declare, `ENODEV` for an address that is no module's, `ENOMEM`.
    fn report(this: usize, name: &str, value: &str) -> Result<()>;
    /// A reference on the module whose descriptor is at `this`, for as long as the value lives. `ENODEV` for an address that
    /// is no module's, or when it is going; `ENOMEM`.
    fn hold_module(this: usize) -> Result<Box<dyn Send>>;
}
