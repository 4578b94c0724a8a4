//! What may not be done in a filesystem. Flags are kept by filesystem, not by place: all its mounts have the same.
//! Values as those of `mount` and of `statfs`. Models `include/linux/mount.h`.
#![forbid(unsafe_code)]

use alloc::string::String;
use core::sync::atomic::{AtomicU32, Ordering};

use super::uses::MAX_DEVS;

/// Nothing may be written.
pub const RDONLY: u32 = 1;
/// Programs get nobody's rights but the caller's: they never do.
pub const NOSUID: u32 = 2;
/// Devices cannot be opened.
pub const NODEV: u32 = 4;
/// Programs cannot be executed.
pub const NOEXEC: u32 = 8;
/// All of them.
pub const ALL: u32 = 0xf;

static FLAGS: [AtomicU32; MAX_DEVS] = [const { AtomicU32::new(0) }; MAX_DEVS];

/// A filesystem's flags.
pub fn of(dev: u32) -> u32 {
    FLAGS[dev as usize % MAX_DEVS].load(Ordering::Acquire)
}

/// Whether a filesystem has a flag.
pub fn has(dev: u32, flag: u32) -> bool {
    of(dev) & flag != 0
}

/// Replaces a filesystem's flags.
pub fn set(dev: u32, flags: u32) {
    FLAGS[dev as usize % MAX_DEVS].store(flags & ALL, Ordering::Release);
}

/// Whether a filesystem may be written, as `/proc/mounts` says it.
pub fn access(dev: u32) -> &'static str {
    if has(dev, RDONLY) { "ro" } else { "rw" }
}

/// The other flags as it shows them, each after a comma.
pub fn show(dev: u32) -> String {
    let names = [(NOSUID, ",nosuid"), (NODEV, ",nodev"), (NOEXEC, ",noexec")];
    names.into_iter().filter(|(flag, _)| has(dev, *flag)).map(|(_, name)| name).collect()
}
