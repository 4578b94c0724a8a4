//! Fences that user space signals by counting: the file `/sys/kernel/debug/sync/sw_sync` (Linux:
//! `drivers/dma-buf/sw_sync.c`). For tests: whoever has such a file decides when others may go on.

use alloc::collections::VecDeque;
use arrayvec::ArrayVec;
use lock_api::Mutex;
use zerocopy::{FromZeros, IntoBytes};

use super::body::{Core, Source};
use super::sync_file::SyncFile;
use super::{Context, Fence, is_later};
use crate::kref::{Counted, Ref};
use crate::platform::Platform;
use crate::uapi::fcntl::O_RDONLY;
use crate::uapi::ioctl::Command;
use crate::uapi::sw_sync::{CreateFence, SW_SYNC_IOC_CREATE_FENCE, SW_SYNC_IOC_INC};
use crate::user::{FdTable, UserMemory};
use crate::{Errno, Result};

/// The longest name in bytes.
const NAME_LEN: usize = 31;

/// A count, and the fences that wait for it to come to their number.
pub(super) struct Timeline<P: Platform> {
    context: Context,
    name: ArrayVec<u8, NAME_LEN>,
    state: Mutex<P::BufferLock, State<P>>,
}

struct State<P: Platform> {
    value: u32,
    /// Those to come, the next one first.
    pending: VecDeque<Ref<Core<P>>>,
}

impl<P: Platform> Counted for Timeline<P> {
    type Platform = P;
    const KIND: &'static str = "sync_timeline";
}

impl<P: Platform> State<P> {
    /// The next fence, if the count has come to it.
    fn pop_ripe(&mut self) -> Option<Ref<Core<P>>> {
        let value = u64::from(self.value);
        let ripe = self.pending.front().is_some_and(|core| !is_later(core.seqno, value));
        ripe.then(|| self.pending.pop_front()).flatten()
    }
}

impl<P: Platform> Timeline<P> {
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Counts on, and signals those it comes to.
    fn advance(&self, by: u32) {
        let mut state = self.state.lock();
        state.value = state.value.wrapping_add(by);
        let mut ripe = state.pop_ripe();
        drop(state);
        while let Some(core) = ripe {
            core.signal(None);
            ripe = self.state.lock().pop_ripe();
        }
    }

    /// Nobody counts any more: what is pending is signalled with `ENOENT`.
    fn close(&self) {
        loop {
            let next = self.state.lock().pending.pop_front();
            match next {
                Some(core) => core.signal(Some(Errno::ENOENT)),
                None => return,
            };
        }
    }

    /// A fence that nobody holds any more.
    pub(super) fn forget(&self, core: &Core<P>) {
        let mut state = self.state.lock();
        let mine = state.pending.iter().position(|other| core::ptr::eq(&raw const **other, core));
        let gone = mine.and_then(|at| state.pending.remove(at));
        if state.pending.is_empty() {
            // An emptied queue keeps its memory.
            state.pending = VecDeque::new();
        }
        drop(state);
        drop(gone);
    }
}

/// An open `sw_sync`: a timeline of its own. Dropping it is the file's release.
pub struct SwSync<P: Platform>(Ref<Timeline<P>>);

impl<P: Platform> SwSync<P> {
    /// A timeline at 0, named after the process that opened it. `ENOMEM`.
    pub fn open(name: &[u8]) -> Result<SwSync<P>> {
        let name = name.iter().copied().take(NAME_LEN).collect();
        let state = Mutex::new(State { value: 0, pending: VecDeque::new() });
        Ref::try_new(Timeline { context: Context::new(), name, state }).map(SwSync)
    }

    /// The fence `value`; several that ask for the same get the same. `ENOMEM`.
    fn fence(&self, value: u32) -> Result<Fence<P>> {
        let (timeline, seqno) = (&self.0, u64::from(value));
        let core = Ref::try_new(Core::new(timeline.context, seqno, Source::Timeline(timeline.clone())))?;
        let fence = Fence(core.clone());
        let mut state = timeline.state.lock();
        if !is_later(seqno, u64::from(state.value)) {
            drop(state);
            core.signal(None);
            return Ok(fence);
        }
        let distance = |core: &Ref<Core<P>>| (core.seqno as u32).wrapping_sub(state.value);
        let at = state.pending.partition_point(|other| distance(other) < distance(&core));
        if let Some(same) = state.pending.get(at).filter(|other| other.seqno == seqno)
            && same.get_user_unless_zero()
        {
            let same = Fence(same.clone());
            drop(state);
            return Ok(same);
        }
        state.pending.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        state.pending.insert(at, core);
        drop(state);
        Ok(fence)
    }

    /// Does an ioctl: CREATE_FENCE and INC. Returns 0, or `ENOTTY` unknown command, `EFAULT`, `EMFILE`, `ENFILE`,
    /// `ENOMEM`. May sleep.
    pub fn ioctl<U, D>(&self, command: Command, arg: usize, user: &U, fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        match command {
            SW_SYNC_IOC_CREATE_FENCE => {
                let slot = fds.reserve(true)?;
                let mut data = CreateFence::new_zeroed();
                user.read_bytes(arg, data.as_mut_bytes())?;
                let file = fds.new_sync_file(SyncFile::new(self.fence(data.value)?), O_RDONLY)?;
                data.fence = fds.number(&slot) as i32;
                user.write_bytes(arg, data.as_bytes())?;
                fds.install(slot, file);
            }
            SW_SYNC_IOC_INC => {
                let mut by = [0; 4];
                user.read_bytes(arg, &mut by)?;
                // In steps that cannot be taken for a step back.
                let (most, by) = (i32::MAX as u32, u32::from_ne_bytes(by));
                (0..by / most).for_each(|_| self.0.advance(most));
                self.0.advance(by % most);
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}

impl<P: Platform> Drop for SwSync<P> {
    fn drop(&mut self) {
        self.0.close();
    }
}
