//! Addresses for devices' memory, out of the host bridge's windows.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;

use crate::dt::pci::Window;

/// What of the windows nobody has.
pub struct Windows(ArrayVec<Window, 4>);

/// Memory that a device was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// As its base register has it.
    pub bus: u32,
    /// As the CPU sees it.
    pub cpu: u64,
    /// Bytes.
    pub len: u64,
}

impl Windows {
    /// All of `windows`.
    pub fn new(windows: &[Window]) -> Windows {
        Windows(windows.iter().cloned().collect())
    }

    /// Takes `len` bytes, a power of two, at a bus address that is a multiple of it and not 0.
    pub fn take(&mut self, len: u64) -> Option<Assigned> {
        self.0.iter_mut().find_map(|window| {
            let bus = window.bus.max(1).checked_next_multiple_of(len)?;
            let skipped = bus - window.bus;
            let left = window.len.checked_sub(skipped)?.checked_sub(len)?;
            let taken = Assigned { bus: u32::try_from(bus).ok()?, cpu: window.cpu + skipped, len };
            *window = Window { bus: bus + len, cpu: taken.cpu + len, len: left };
            Some(taken)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_aligned_and_apart_until_there_are_none() {
        let mut windows = Windows::new(&[
            Window { bus: 0, cpu: 0x9000_0000, len: 0x3000 },
            Window { bus: 0x1000_0000, cpu: 0x1000_0000, len: 0x20_0000 },
        ]);
        let taken = |bus, cpu, len| Some(Assigned { bus, cpu, len });
        assert_eq!(windows.take(0x1000), taken(0x1000, 0x9000_1000, 0x1000));
        assert_eq!(windows.take(0x10_0000), taken(0x1000_0000, 0x1000_0000, 0x10_0000));
        assert_eq!(windows.take(0x1000), taken(0x2000, 0x9000_2000, 0x1000));
        assert_eq!(windows.take(16), taken(0x1010_0000, 0x1010_0000, 16));
        assert_eq!(windows.take(0x10_0000), None);
        assert_eq!(windows.take(0x8_0000), taken(0x1018_0000, 0x1018_0000, 0x8_0000));
        assert_eq!(windows.take(1 << 63), None);
    }
}
