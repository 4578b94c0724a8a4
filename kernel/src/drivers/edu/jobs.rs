//! Transfers that nobody waits for: each a job, done when the fences before it are signalled, by a task of the kernel's
//! own. A job holds its import, and so the buffer with all its memory, until the device is done; whoever asked for it may
//! have closed everything, or have ended. Those that have not begun by then are cancelled.
//!
//! Jobs of one open file are done in the order of their coming, others as they can. Models what `drivers/gpu/drm/scheduler`
//! does for drivers there, `drm_sched_entity_kill` for the file of somebody who was killed: here, closing is enough.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use heaps::fence::{Callback, CallbackKey, Context, Fence, Signalled, Signaller};
use heaps::{Errno, Result};

use super::device::Edu;
use super::transfer::{Imported, Transfer};
use crate::arch::now_ns;
use crate::drivers::dma_heap::Kernel;
use crate::sync::wait::Interruptible;
use crate::sync::{SpinLock, WaitQueue, order};
use crate::time::clock::NS_PER_S;

/// How many jobs can wait.
const MOST: usize = 256;

/// How long [`Jobs::settle`] waits.
const PATIENCE_NS: u64 = 30 * NS_PER_S;

/// A transfer that is to be done.
pub struct Job {
    /// The open file that it came by.
    pub file: Context,
    /// The buffer.
    pub imported: Arc<Imported>,
    /// What to do with it.
    pub transfer: Transfer,
    /// Whom to tell that it is done.
    pub signaller: Signaller<Kernel>,
    /// What has to be done before.
    pub before: ArrayVec<Dependency, 2>,
}

impl Job {
    fn is_ready(&self) -> bool {
        self.before.iter().all(|dependency| dependency.fence.is_signalled())
    }
}

/// A fence that a job waits for.
pub struct Dependency {
    fence: Fence<Kernel>,
    /// Of the callback; none where the fence was signalled already.
    key: Option<CallbackKey>,
}

/// Has the device's task look at its jobs again.
struct Look(&'static Jobs);

impl Callback for Look {
    fn signalled(self: Box<Self>, _: Signalled) {
        self.0.news.wake_all();
    }
}

impl Dependency {
    /// `ENOMEM`.
    fn new(fence: Fence<Kernel>, jobs: &'static Jobs) -> Result<Dependency> {
        let key = match fence.add_callback(Look(jobs)) {
            Ok(key) => Some(key),
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(errno),
        };
        Ok(Dependency { fence, key })
    }
}

impl Drop for Dependency {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.fence.remove_callback(key);
        }
    }
}

/// The jobs of a device.
pub struct Jobs {
    waiting: SpinLock<Vec<Job>, { order::HEAP_STATE }>,
    /// Something may be ready.
    news: WaitQueue,
    running: AtomicBool,
    /// A job is done or cancelled, and all that it held is let go.
    done: WaitQueue,
}

impl Jobs {
    /// None.
    pub const fn new() -> Jobs {
        Jobs {
            waiting: SpinLock::new(Vec::new()),
            news: WaitQueue::new(),
            running: AtomicBool::new(false),
            done: WaitQueue::new(),
        }
    }

    /// Takes a job on, which is done once `after` is signalled and what its buffer's users have to wait for now. From here on
    /// they have to wait for `fence`, which is the job's, too. `EBUSY` when too many wait, `ENOMEM`: nothing was done then.
    pub fn submit(
        &'static self,
        mut job: Job,
        fence: &Fence<Kernel>,
        after: Option<Fence<Kernel>>,
    ) -> Result<()> {
        let buffer = job.imported.buffer().clone();
        let usage = job.transfer.usage();
        // Under the lock, so that of two jobs on a buffer one waits for the other.
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST {
            return Err(Errno::EBUSY);
        }
        waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        for fence in buffer.pending_fence(usage)?.into_iter().chain(after) {
            job.before.push(Dependency::new(fence, self)?);
        }
        buffer.add_fence(fence, usage)?;
        waiting.push(job);
        drop(waiting);
        self.news.wake_all();
        Ok(())
    }

    /// Which job can be done: the first of its file whose fences are signalled.
    fn find_ready(waiting: &[Job]) -> Option<usize> {
        let is_first = |at: usize| waiting[..at].iter().all(|before| before.file != waiting[at].file);
        (0..waiting.len()).find(|&at| is_first(at) && waiting[at].is_ready())
    }

    fn take_ready(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let job = Self::find_ready(&waiting).map(|at| waiting.remove(at));
        self.running.store(job.is_some(), Ordering::Relaxed);
        job
    }

    /// Cancels the jobs of a file that is closed: their fences have `ECANCELED`. One that is under way is done. May sleep.
    pub fn cancel(&self, file: Context) {
        while let Some(job) = self.take_from(file) {
            let Job { imported, signaller, before, .. } = job;
            drop(before);
            // As when it is done: the buffer may end here, whose fence this is.
            drop(imported);
            signaller.signal(Some(Errno::ECANCELED));
        }
        // There may be nothing left to wait for.
        self.done.wake_all();
    }

    fn take_from(&self, file: Context) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let at = waiting.iter().position(|job| job.file == file)?;
        Some(waiting.remove(at))
    }

    /// Does jobs on `device`, for ever: what its task does.
    pub fn work(&self, device: &Edu) -> ! {
        loop {
            self.perform(device, self.news.wait(|| self.take_ready()));
            self.running.store(false, Ordering::Release);
            self.done.wake_all();
        }
    }

    fn perform(&self, device: &Edu, job: Job) {
        let Job { imported, transfer, signaller, .. } = job;
        let moved = transfer.perform(&imported, &device.turn());
        // The buffer may end here, whose fence this is.
        drop(imported);
        signaller.signal(moved.err());
    }

    /// Waits until nothing is under way, and nothing can be, for half a minute at most. May sleep.
    pub fn settle(&self) {
        let is_idle = || {
            // Both under the lock: a job that ends makes the next one ready, and the lock is what that one is taken under.
            let waiting = self.waiting.lock();
            let busy = self.running.load(Ordering::Acquire) || Self::find_ready(&waiting).is_some();
            (!busy).then_some(())
        };
        // What takes longer is not on its way out.
        let _ = self.done.wait_with(Interruptible::No, Some(now_ns() + PATIENCE_NS), is_idle);
    }
}
