//! What identifies a word of user memory to everybody who maps it: the key of a futex.

use alloc::sync::Arc;

use heaps::{Errno, PAGE_SIZE, Result};

use super::AddressSpace;
use crate::mm::Prot;
use crate::mm::vma::Backing;

/// The object a word is in, and the byte in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FutexKey(usize, u64);

impl AddressSpace {
    /// The key of a word that only this address space shares.
    pub fn private_key(&self, addr: u64) -> FutexKey {
        FutexKey(core::ptr::from_ref(self).addr(), addr)
    }

    /// The key of a word that other address spaces may map too. `EFAULT` where nothing is mapped, and for private memory
    /// that nobody can write to: it would never change.
    pub fn futex_key(&self, addr: u64) -> Result<FutexKey> {
        let layout = self.lock();
        let vma = layout.areas.find(addr).ok_or(Errno::EFAULT)?;
        let within = |first: u64| first * PAGE_SIZE as u64 + (addr - vma.start);
        Ok(match &vma.backing {
            Backing::Shared { pages, first } => FutexKey(Arc::as_ptr(pages).addr(), within(*first)),
            Backing::Runs { source, first } => FutexKey(source.identity(), within(*first)),
            Backing::File { file, first } => {
                let pages = file.source.pages().ok_or(Errno::EFAULT)?;
                FutexKey(core::ptr::from_ref(pages.mappers()).addr(), within(*first))
            }
            Backing::Anonymous if !vma.prot.contains(Prot::WRITE) => return Err(Errno::EFAULT),
            Backing::Anonymous | Backing::Content { .. } => self.private_key(addr),
        })
    }
}
