//! A DRM device without hardware: `/dev/dri/card0` and `/dev/dri/renderD128`, as Linux's vgem has them. dma-bufs become
//! GEM objects by their handles, and objects that are made here dma-bufs.
//!
//! * `ioctl`: which commands there are, who may give them, and how their structures go in and out
//! * `object`: GEM objects; `handles`: those of an open file
//! * `prime`: between objects and dma-bufs; `dumb`: objects of memory, and their mappings
//! * `fences`: those that user space signals
//!
//! Models `drivers/gpu/drm/vgem/vgem_drv.c` and what of `drivers/gpu/drm` it uses.
#![forbid(unsafe_code)]

mod dumb;
mod fences;
mod handles;
mod ioctl;
mod object;
mod prime;

use alloc::boxed::Box;

use heaps::{CdevOps, DmaLimits, Errno, Result};

use super::dma_device;
use super::dma_heap::Kernel;
use crate::chrdev::{self, CdevRef, DevT};
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;
use crate::vfs::FileOps;
use crate::vfs::file::{Events, File, Ioctl, Whence};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::io::Sink;
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::poll::PollQueue;
use fences::Fences;
use handles::Handles;

/// The major number of DRM devices.
pub const MAJOR: u32 = 226;
/// The first minor of render nodes.
const RENDER: u32 = 128;

/// It has no hardware that could not reach something.
static LIMITS: DmaLimits = DmaLimits::of_bits(64);

/// What kind of node a file is opened by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    /// `card0`: everything is allowed.
    Primary,
    /// `renderD128`: what is marked for it.
    Render,
}

/// Publishes the nodes. `EBUSY` and `EEXIST` when they are there already, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("dri/card0", DevT::new(MAJOR, 0), 0o600, &Node::Primary)?;
    chrdev::register("dri/renderD128", DevT::new(MAJOR, RENDER), 0o600, &Node::Render)?;
    dma_device::register("vgem", *LIMITS.addresses.end(), &LIMITS)
}

impl CdevOps<Kernel> for Node {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenNode { node: *self, handles: Handles::new(), fences: Fences::new() }))
    }
}

/// An open node.
struct OpenNode {
    node: Node,
    handles: Handles,
    fences: Fences,
}

impl FileOps for OpenNode {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        ioctl::dispatch(self, call)
    }

    /// There are no events to be read: nobody has a display to wait for.
    fn read_at(&self, file: &File, _: &mut dyn Sink, _: u64) -> Result<usize> {
        static NEVER: WaitQueue = WaitQueue::new();
        match file.flags() & O_NONBLOCK {
            0 => NEVER.wait_interruptible(Interruptible::Yes, || None),
            _ => Err(Errno::EAGAIN),
        }
    }

    fn poll(&self, _: &File) -> Events {
        0
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        static NEVER: PollQueue = PollQueue::new();
        Some(&NEVER)
    }

    fn llseek(&self, file: &File, _: i64, _: Whence) -> Result<u64> {
        Ok(file.pos())
    }

    fn mmap(&self, _: &File, request: &MmapRequest) -> Result<Mmap> {
        dumb::mmap(self, request)
    }
}
