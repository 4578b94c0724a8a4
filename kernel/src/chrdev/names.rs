//! What majors are called, for `/proc/devices`, and the devices of the one that many share, for `/proc/misc`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{DevT, Errno, Result};

use crate::sync::{SpinLock, order};

static NAMES: SpinLock<Vec<(u32, &'static str)>, { order::CDEV_MAP }> = SpinLock::new(Vec::new());

/// Calls a major by a name, one of several perhaps. At boot. `ENOMEM`.
pub fn name_major(major: u32, name: &'static str) -> Result<()> {
    let mut names = NAMES.lock();
    names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let at = names.partition_point(|known| known.0 <= major);
    names.insert(at, (major, name));
    Ok(())
}

/// The majors and what they are called, lowest first.
pub fn majors() -> Vec<(u32, &'static str)> {
    NAMES.lock().clone()
}

/// The miscellaneous devices' major (Linux: `MISC_MAJOR`).
const MISC: u32 = 10;

static MISC_DEVICES: SpinLock<Vec<(u32, &'static str)>, { order::CDEV_MAP }> = SpinLock::new(Vec::new());

/// Remembers the name of a device, if it is a miscellaneous one. At boot. `ENOMEM`.
pub fn name_misc(devt: DevT, name: &'static str) -> Result<()> {
    if devt.major() != MISC {
        return Ok(());
    }
    let mut devices = MISC_DEVICES.lock();
    devices.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    devices.insert(0, (devt.minor(), name));
    Ok(())
}

/// The minors of the miscellaneous devices and what they are called, the youngest first.
pub fn misc_devices() -> Vec<(u32, &'static str)> {
    MISC_DEVICES.lock().clone()
}

#[cfg(test)]
mod tests {
    use super::DevT;

    #[test]
    fn names_come_by_number_and_in_order() {
        for (major, name) in [(305, "b"), (301, "a"), (305, "c")] {
            super::name_major(major, name).unwrap();
        }
        let ours: alloc::vec::Vec<_> = super::majors().into_iter().filter(|m| m.0 > 300).collect();
        assert_eq!(ours, [(301, "a"), (305, "b"), (305, "c")]);
    }

    #[test]
    fn devices_of_the_shared_major_are_told_youngest_first() {
        for (major, minor, name) in [(10, 901, "elder"), (301, 902, "another"), (10, 903, "younger")] {
            super::name_misc(DevT::new(major, minor), name).unwrap();
        }
        let ours: alloc::vec::Vec<_> = super::misc_devices().into_iter().filter(|d| d.0 > 900).collect();
        assert_eq!(ours, [(903, "younger"), (901, "elder")]);
    }
}
