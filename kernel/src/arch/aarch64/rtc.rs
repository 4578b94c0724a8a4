//! The PL031 real-time clock (Arm DDI 0224).

use core::ptr::NonNull;

use heaps::PhysAddr;
use volatile::VolatilePtr;

use super::layout::linear;

/// Seconds since 1970 by the clock whose data register is at `base`; `None` where there is no clock, which is 0.
/// Not before the kernel's own tables, which map devices.
pub fn read(base: PhysAddr) -> Option<u32> {
    if base.get() == 0 {
        return None;
    }
    let data = NonNull::new(linear(base).cast::<u32>())?;
    // SAFETY: the device tree says a PL031 is there; the linear map holds it as device memory; its data register is
    // the first, and reading it changes nothing.
    Some(unsafe { VolatilePtr::new(data) }.read())
}
