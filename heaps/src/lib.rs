//! The portable dma-heap subsystem: who holds the last reference to a heap, and what happens when nobody does.
//!
//! Nothing here knows the machine or the kernel around it: everything needed from them is in [`platform`].
//! From the bottom up:
//!
//! - [`uapi`]: error numbers, ioctls and structures as user space sees them;
//! - [`addr`], [`sg`], [`fallible`]: physical addresses, lists of page runs, allocations that may fail;
//! - [`refcount`], [`kref`], [`srcu`]: saturating counts, counted references, a sleepable RCU;
//! - [`cdev`]: character devices as Linux keeps them, with the uncounted pointers its VFS caches;
//! - [`contig`]: the contiguous allocator, behind Linux's CMA heap;
//! - [`provider`], [`exporter`]: what implements a heap, and the two heaps every machine has;
//! - [`attributes`]: what a heap's buffers are like, and which devices can use them;
//! - [`discipline`]: the eight rules about who keeps whom alive;
//! - [`registry`]: heap names, minors and registrations, under the discipline chosen;
//! - [`fence`]: work that devices will have done some time, and waiting for it;
//! - [`heap_file`], [`dma_buf`], [`user`]: what `/dev/dma_heap/NAME` and a dma-buf descriptor do.
//!
//! A kernel implements [`Platform`] and [`Pages`], keeps a [`Registry`] in a static, and implements [`UserMemory`] and
//! [`FdTable`] for the caller of a system call. A heap driver makes [`ProviderData`], registers it, and frees it
//! after [`Registration::unregister`]. An open goes by [`CdevPtr::get`] and [`CdevRef::open`] to a [`HeapFile`];
//! its ioctl makes a [`DmaBuf`], which the file it is put in owns. Dropping each is its release.
//!
//! `examples/host.rs` does all of this over `std`:
//!
//! ```console
//! $ cargo run -p lastref-heaps --example host
//! ```
//!
//! In-kernel users find a heap by name ([`Registry::find`]), allocate ([`HeapFile::allocate_buffer`]) and let go by dropping.
//! Neither keeps the heap registered: once it is not, they are told `ENODEV`, whatever heap has the name by then. A buffer
//! keeps what will release it, and nothing else does.
//!
//! `unsafe` is confined to [`kref`], [`cdev`], one function of [`fallible`], and the disciplines that trust
//! pointers they do not count; there it is the subject.
#![cfg_attr(not(any(test, feature = "loom")), no_std)]
#![deny(unsafe_code)]
extern crate alloc;

pub mod addr;
pub mod attributes;
pub mod cdev;
pub mod contig;
pub mod discipline;
pub mod dma_buf;
pub mod exporter;
pub mod fallible;
pub mod fence;
pub mod heap_file;
pub mod kref;
#[cfg(all(test, feature = "loom"))]
mod loom_models;
pub mod platform;
pub mod provider;
pub mod refcount;
pub mod registry;
pub mod sg;
pub mod srcu;
mod sync;
#[cfg(all(test, not(feature = "loom")))]
mod testing;
pub mod uapi;
pub mod user;

pub use addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr};
pub use attributes::{Attributes, DmaLimits};
pub use cdev::{Cdev, CdevCache, CdevOps, CdevPtr, CdevRef, DevT};
pub use discipline::Discipline;
pub use dma_buf::{Attachment, Direction, DmaBuf, DmaTable, Importer, Mapping};
pub use fence::{Fence, sync_file::SyncFile, timeline::SwSync};
pub use heap_file::HeapFile;
pub use platform::{Module, Pages, Platform, PollQueue, WaitQueue};
pub use provider::{HeapOps, ProviderData};
pub use registry::{Counts, Registration, Registry};
pub use sg::{Run, SgTable};
pub use uapi::errno::{Errno, Result};
pub use user::{FdTable, UserMemory};
