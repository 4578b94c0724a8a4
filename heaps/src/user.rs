//! The caller of a system call: its memory and its descriptor table.

use crate::dma_buf::DmaBuf;
use crate::fence::Fence;
use crate::fence::sync_file::SyncFile;
use crate::platform::Platform;
use crate::{Errno, Result};

/// The calling task's memory. An address is a claim: every access may fault, and what was read once may read
/// differently the next time. May sleep.
pub trait UserMemory {
    /// Copies `into.len()` bytes from user address `addr`; `EFAULT` if any of them is not readable.
    fn read_bytes(&self, addr: usize, into: &mut [u8]) -> Result<()>;

    /// Copies `from` to user address `addr`; `EFAULT` if any of it is not writable, and then any part of it
    /// may have been written.
    fn write_bytes(&self, addr: usize, from: &[u8]) -> Result<()>;

    /// Copies a string with its NUL into `into`, and says how long it is without. `EINVAL` when there is no NUL
    /// in the first `into.len()` bytes, `EFAULT` when it is not readable up to its NUL (Linux: `strndup_user`).
    fn read_string(&self, addr: usize, into: &mut [u8]) -> Result<usize> {
        for (at, byte) in into.iter_mut().enumerate() {
            let addr = addr.checked_add(at).ok_or(Errno::EFAULT)?;
            self.read_bytes(addr, core::slice::from_mut(byte))?;
            if *byte == 0 {
                return Ok(at);
            }
        }
        Err(Errno::EINVAL)
    }
}

/// The calling task's descriptor table, which gains a descriptor in steps so that nothing can fail, and nobody
/// can see it, after it is installed.
pub trait FdTable<P: Platform> {
    /// A file that no descriptor names yet. Dropping it releases the buffer, or the fence.
    type File;
    /// A descriptor number that leads nowhere yet. Dropping it gives the number back.
    type Slot;

    /// Makes a file of a buffer, opened with the access mode `access` (of `O_ACCMODE`). `ENOMEM` or `ENFILE`
    /// drop (and so release) `buffer`.
    fn new_file(&self, buffer: DmaBuf<P>, access: u32) -> Result<Self::File>;

    /// Makes a file of a fence, with these flags. `ENOMEM` or `ENFILE` drop it.
    fn new_sync_file(&self, fence: SyncFile<P>, flags: u32) -> Result<Self::File>;

    /// The fence of the sync file that a descriptor leads to; `None` for anything else.
    fn sync_file(&self, fd: i32) -> Option<Fence<P>>;

    /// Reserves the lowest free number, `EMFILE` if there is none.
    fn reserve(&self, cloexec: bool) -> Result<Self::Slot>;

    /// The number reserved.
    fn number(&self, slot: &Self::Slot) -> u32;

    /// Lets the number lead to the file. From here on other threads may use, and close, it.
    fn install(&self, slot: Self::Slot, file: Self::File);
}
