//! Seals: what may no longer be done to a file (Linux: `mm/memfd.c`, `F_ADD_SEALS`).
#![forbid(unsafe_code)]

/// No more seals may be added. Every file but a memfd made for sealing has it.
pub const SEAL: u32 = 1;
/// The file may not shrink.
pub const SHRINK: u32 = 2;
/// Nor grow.
pub const GROW: u32 = 4;
/// Nobody may write to it, or map it to be written.
pub const WRITE: u32 = 8;
/// The same, but for mappings that are there.
pub const FUTURE_WRITE: u32 = 16;
/// Those there are.
pub const ALL: u32 = SEAL | SHRINK | GROW | WRITE | FUTURE_WRITE;
