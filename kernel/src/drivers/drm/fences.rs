//! Fences that user space puts on objects, and signals itself. Models `drivers/gpu/drm/vgem/vgem_fence.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::fence::reservation::Usage;
use heaps::fence::{Context, Fence, Signaller};
use heaps::uapi::drm::{FenceAttach, FenceSignal, VGEM_FENCE_WRITE};
use heaps::uapi::fcntl::O_RDWR;
use heaps::{Errno, Result};

use super::{OpenNode, prime};
use crate::drivers::dma_heap::{BufferRef, Kernel};
use crate::mm::admit::admit;
use crate::sync::{SpinLock, order};
use crate::time::clock::{Base, NS_PER_S};
use crate::time::timer::{self, Expire};

/// How long user space may take: then the kernel signals for it.
const PATIENCE_NS: u64 = 10 * NS_PER_S;

/// The fences of an open file, by number less 1. The number of one that was signalled stays taken.
pub struct Fences(SpinLock<Vec<Option<Entry>>, { order::HEAP_STATE }>);

/// A fence that is to be signalled, and the buffer it is on, which has to stay until then: an object may have no other.
struct Entry {
    pending: Arc<Pending>,
    _buffer: BufferRef,
}

struct Pending {
    signaller: SpinLock<Option<Signaller<Kernel>>, { order::HEAP_STATE }>,
    /// When patience ends, by the monotonic clock.
    until: u64,
}

impl Pending {
    /// Signals, unless that was done. Returns whether it was this call.
    fn signal(&self) -> bool {
        let signaller = self.signaller.lock().take();
        let first = signaller.is_some();
        if let Some(signaller) = signaller {
            signaller.signal(None);
        }
        first
    }
}

impl Expire for Pending {
    fn expire(self: Arc<Self>) {
        self.signal();
    }
}

impl Entry {
    /// Signals, and returns whether nobody had.
    fn signal(self) -> bool {
        timer::stop(Base::Monotonic, self.pending.until, &self.pending);
        self.pending.signal()
    }
}

impl Fences {
    /// None.
    pub const fn new() -> Fences {
        Fences(SpinLock::new(Vec::new()))
    }

    /// Keeps a fence, and numbers it; `ENOMEM`.
    fn add(&self, entry: Entry) -> Result<u32> {
        let mut table = self.0.lock();
        if table.try_reserve(1).is_err() {
            drop(table);
            entry.signal();
            return Err(Errno::ENOMEM);
        }
        table.push(Some(entry));
        Ok(table.len() as u32)
    }
}

impl Drop for Fences {
    /// The file is closed: nobody can signal any more.
    fn drop(&mut self) {
        for entry in core::mem::take(self.0.get_mut()).into_iter().flatten() {
            entry.signal();
        }
    }
}

/// Puts a fence on an object. `EINVAL` for flags there are not, `ENOENT` for a handle there is not, `EBUSY` while there
/// is one that has to be waited for, `ENOMEM`. May sleep.
pub fn attach(node: &OpenNode, args: &mut FenceAttach) -> Result<()> {
    if args.flags & !VGEM_FENCE_WRITE != 0 || args.pad != 0 {
        return Err(Errno::EINVAL);
    }
    let writes = args.flags & VGEM_FENCE_WRITE != 0;
    let object = node.handles.get(args.handle).ok_or(Errno::ENOENT)?;
    let buffer = BufferRef::new(prime::file_of(&object, O_RDWR)?)?;
    admit()?;
    let (fence, signaller) = Fence::<Kernel>::new(Context::new(), 1, "vgem", "unbound")?;
    let (may_read, may_write) = buffer.is_idle();
    if !(if writes { may_write } else { may_read }) {
        signaller.signal(None);
        return Err(Errno::EBUSY);
    }
    let until = Base::Monotonic.now().saturating_add(PATIENCE_NS);
    let pending = Arc::new(Pending { signaller: SpinLock::new(Some(signaller)), until });
    buffer.add_fence(&fence, if writes { Usage::Write } else { Usage::Read })?;
    timer::start(Base::Monotonic, until, pending.clone());
    args.out_fence = node.fences.add(Entry { pending, _buffer: buffer })?;
    Ok(())
}

/// Signals a fence. `EINVAL` for flags, `ENOENT` for a number there is not or that was signalled, `ETIMEDOUT` when the
/// kernel had to do it. May sleep.
pub fn signal(node: &OpenNode, args: &mut FenceSignal) -> Result<()> {
    if args.flags != 0 {
        return Err(Errno::EINVAL);
    }
    let at = (args.fence as usize).wrapping_sub(1);
    let entry = node.fences.0.lock().get_mut(at).and_then(Option::take).ok_or(Errno::ENOENT)?;
    if entry.signal() { Ok(()) } else { Err(Errno::ETIMEDOUT) }
}
