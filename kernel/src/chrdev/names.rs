//! What majors are called, for `/proc/devices`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::{Errno, Result};

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

#[cfg(test)]
mod tests {
    #[test]
    fn names_come_by_number_and_in_order() {
        for (major, name) in [(305, "b"), (301, "a"), (305, "c")] {
            super::name_major(major, name).unwrap();
        }
        let ours: alloc::vec::Vec<_> = super::majors().into_iter().filter(|m| m.0 > 300).collect();
        assert_eq!(ours, [(301, "a"), (305, "b"), (305, "c")]);
    }
}
