//! Registers of devices, for drivers without unsafe code: a range of device memory, every access checked against it.

use core::arch::asm;
use core::ptr::NonNull;

use heaps::{Errno, PhysAddr, Result};
use volatile::VolatilePtr;

use super::layout::linear;
use super::mmu;

/// A device's registers. Reads and writes reach nothing but device memory; what a device does about them, its
/// driver answers for.
#[derive(Debug)]
pub struct Mmio {
    base: PhysAddr,
    len: u64,
}

impl Mmio {
    /// The registers at `base`, `len` bytes. `EINVAL` where that is not device memory, or `base` not a multiple of 8.
    pub fn new(base: PhysAddr, len: u64) -> Result<Mmio> {
        let end = base.get().checked_add(len).ok_or(Errno::EINVAL)?;
        let fits = base.get().is_multiple_of(8) && mmu::is_device(&(base.get()..end));
        if fits { Ok(Mmio { base, len }) } else { Err(Errno::EINVAL) }
    }

    /// The register at `offset`.
    ///
    /// # Panics
    /// Where it is not aligned, or not all within the range: the driver names a register that is not there.
    fn register<T: Copy>(&self, offset: usize) -> VolatilePtr<'static, T> {
        let size = size_of::<T>();
        let fits = offset.is_multiple_of(size) && offset as u64 + size as u64 <= self.len;
        assert!(fits, "no register at {offset:#x}");
        let at = linear(PhysAddr::new(self.base.get() + offset as u64)).cast();
        // SAFETY: within device memory, which the linear map holds for good and no Rust object lies in; aligned, for
        // the base is a multiple of 8 and no register is larger.
        unsafe { VolatilePtr::new(NonNull::new_unchecked(at)) }
    }

    /// Reads 32 bits.
    pub fn read32(&self, offset: usize) -> u32 {
        let value = self.register::<u32>(offset).read();
        barrier();
        value
    }

    /// Writes 32 bits. What was written to memory before, the device sees.
    pub fn write32(&self, offset: usize, value: u32) {
        barrier();
        self.register(offset).write(value);
    }

    /// Reads 64 bits.
    pub fn read64(&self, offset: usize) -> u64 {
        let value = self.register::<u64>(offset).read();
        barrier();
        value
    }

    /// Writes 64 bits. What was written to memory before, the device sees.
    pub fn write64(&self, offset: usize, value: u64) {
        barrier();
        self.register(offset).write(value);
    }
}

/// Orders accesses to memory and to devices as they stand in the program (Arm ARM B2.3.12), for all observers.
fn barrier() {
    // SAFETY: a barrier changes nothing.
    unsafe { asm!("dmb osh", options(nostack)) }
}
