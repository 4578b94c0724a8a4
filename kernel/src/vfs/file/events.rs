//! Readiness (`include/uapi/asm-generic/poll.h`).
#![forbid(unsafe_code)]

/// Readiness, in the bits of `poll`.
pub type Events = u32;
/// There is something to read.
pub const POLLIN: Events = 1;
/// There is something urgent.
pub const POLLPRI: Events = 2;
/// There is room to write.
pub const POLLOUT: Events = 4;
/// An error condition.
pub const POLLERR: Events = 8;
/// The other end is gone.
pub const POLLHUP: Events = 16;
/// The descriptor leads nowhere.
pub const POLLNVAL: Events = 32;
/// There is ordinary data to read.
pub const POLLRDNORM: Events = 0x40;
/// There is priority data to read.
pub const POLLRDBAND: Events = 0x80;
/// There is room to write ordinary data.
pub const POLLWRNORM: Events = 0x100;
/// There is room to write priority data.
pub const POLLWRBAND: Events = 0x200;
/// There is something to read, in both its names.
pub const READABLE: Events = POLLIN | POLLRDNORM;
/// There is room to write, in both its names.
pub const WRITABLE: Events = POLLOUT | POLLWRNORM;
