//! How much a process may map (Linux: `may_expand_vm` and `acct_stack_growth` in `mm/mmap.c`).

use heaps::{Errno, Result};

use super::layout::Layout;
use super::{AddressSpace, STACK_LIMIT};
use crate::mm::Prot;
use crate::mm::vma::{VmFlags, Vma};

/// Bytes that may be mapped; [`u64::MAX`] for any number.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// By one stack.
    pub stack: u64,
    /// In all.
    pub total: u64,
    /// Privately, to be written: heap and data.
    pub data: u64,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        MemoryLimits { stack: STACK_LIMIT, total: u64::MAX, data: u64::MAX }
    }
}

impl AddressSpace {
    /// Sets what may be mapped from now on. May sleep.
    pub fn set_limits(&self, limits: MemoryLimits) {
        self.lock().limits = limits;
    }
}

/// Whether an area counts as data.
fn is_data(prot: Prot, flags: VmFlags) -> bool {
    prot.contains(Prot::WRITE) && !flags.intersects(VmFlags::SHARED | VmFlags::GROWSDOWN)
}

impl Layout {
    /// `ENOMEM` unless `len` bytes more of such an area may be mapped, those of `start..end` being given up for it.
    pub fn admit_bytes(&self, len: u64, prot: Prot, flags: VmFlags, (start, end): (u64, u64)) -> Result<()> {
        let limits = self.limits;
        if limits.total == u64::MAX && limits.data == u64::MAX {
            return Ok(());
        }
        let given_up = |vma: &Vma| vma.end.min(end).saturating_sub(vma.start.max(start));
        let (mut total, mut data) = (len, if is_data(prot, flags) { len } else { 0 });
        for vma in self.areas.iter() {
            let bytes = vma.end - vma.start;
            total = total.saturating_add(bytes - given_up(vma));
            if is_data(vma.prot, vma.flags) {
                data = data.saturating_add(bytes - given_up(vma));
            }
        }
        let adds_data = is_data(prot, flags);
        if total > limits.total || (adds_data && data > limits.data) { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}
