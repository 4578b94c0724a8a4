//! Which driver an interrupt of a device is for. Models `kernel/irq/manage.c` for lines that are shared.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};
use spin::Once;

/// A driver's end of a line.
pub trait Handler: Sync {
    /// The line is raised; returns whether it was this device, which raises it no more. From an interrupt: takes no
    /// lock that does not mask interrupts, and does not sleep.
    fn interrupt(&self) -> bool;
}

/// How many handlers there can be.
const MOST: usize = 16;

static HANDLERS: [Once<(u32, &'static dyn Handler)>; MOST] = [const { Once::new() }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Lets `handler` have the interrupts of line `intid`, beside others, for good. The line is to be enabled after.
/// `EBUSY` when there are [`MOST`] handlers already.
pub fn handle(intid: u32, handler: &'static dyn Handler) -> Result<()> {
    let slot = HANDLERS.get(COUNT.fetch_add(1, Ordering::Relaxed)).ok_or(Errno::EBUSY)?;
    slot.call_once(|| (intid, handler));
    Ok(())
}

/// Line `intid` is raised. Returns false where it was nobody's: it would be raised for ever.
pub fn arrived(intid: u32) -> bool {
    let ours = HANDLERS.iter().filter_map(Once::get).filter(|(line, _)| *line == intid);
    let claimed = ours.filter(|(_, handler)| handler.interrupt()).count();
    if claimed == 0 {
        log::warn!("interrupt {intid}: nobody cared");
    }
    claimed > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    struct Device(AtomicU32, bool);

    impl Handler for Device {
        fn interrupt(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1
        }
    }

    #[test]
    fn all_on_a_line_are_asked_and_none_beside() {
        static DEVICES: [Device; 3] = [
            Device(AtomicU32::new(0), true),
            Device(AtomicU32::new(0), false),
            Device(AtomicU32::new(0), false),
        ];
        for (device, line) in DEVICES.iter().zip([40, 40, 41]) {
            handle(line, device).unwrap();
        }
        assert_eq!([40, 41, 42].map(arrived), [true, false, false]);
        assert_eq!([0, 1, 2].map(|n: usize| DEVICES[n].0.load(Ordering::Relaxed)), [1, 1, 1]);
    }
}
