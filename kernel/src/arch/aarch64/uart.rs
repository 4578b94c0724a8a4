//! The PL011 console (Arm DDI 0183): polled output, input by interrupt.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use heaps::PhysAddr;
use spin::Once;
use volatile::VolatilePtr;

use super::layout::linear;

const DR: usize = 0x00;
const FR: usize = 0x18;
const IMSC: usize = 0x38;
const ICR: usize = 0x44;
const FR_TX_FULL: u32 = 1 << 5;
const FR_RX_EMPTY: u32 = 1 << 4;
const RX_INTERRUPTS: u32 = 1 << 4 | 1 << 6;

static BASE: Once<PhysAddr> = Once::new();
static INTERRUPT: AtomicU32 = AtomicU32::new(0);

fn register(offset: usize) -> Option<VolatilePtr<'static, u32>> {
    let base = BASE.get()?;
    let at = linear(PhysAddr::new(base.get() + offset as u64)).cast();
    // SAFETY: the device tree says a PL011 is there; the linear map holds it as device memory; offsets are aligned.
    Some(unsafe { VolatilePtr::new(NonNull::new_unchecked(at)) })
}

/// Output works from here on.
pub fn init(base: PhysAddr) {
    BASE.call_once(|| base);
}

/// Lets received bytes interrupt, as shared peripheral interrupt `intid`.
pub fn enable_input(intid: u32) {
    INTERRUPT.store(intid, Ordering::Relaxed);
    if let Some(mask) = register(IMSC) {
        mask.write(RX_INTERRUPTS);
        super::gic::enable_spi(intid);
    }
}

/// The console's line.
pub struct Console;

impl crate::drivers::console::Wire for Console {
    fn put(&self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| send(byte));
    }

    fn take(&self) -> Option<u8> {
        receive()
    }
}

/// Sends one byte; waits while the transmitter is full. Callers serialise.
fn send(byte: u8) {
    let (Some(flags), Some(data)) = (register(FR), register(DR)) else { return };
    while flags.read() & FR_TX_FULL != 0 {
        core::hint::spin_loop();
    }
    data.write(u32::from(byte));
}

/// Takes one received byte, if there is one. Callers serialise.
fn receive() -> Option<u8> {
    let (flags, data) = (register(FR)?, register(DR)?);
    (flags.read() & FR_RX_EMPTY == 0).then(|| data.read() as u8)
}

/// A shared peripheral interrupt came in; lets the console take what was received if it is ours, and returns whether.
pub fn interrupt(intid: u32) -> bool {
    if intid != INTERRUPT.load(Ordering::Relaxed) {
        return false;
    }
    if let Some(clear) = register(ICR) {
        clear.write(RX_INTERRUPTS);
    }
    crate::drivers::console::input();
    true
}
