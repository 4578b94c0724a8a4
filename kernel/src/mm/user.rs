//! The way to user memory. A user pointer is a claim: it is checked, copied once, and may fault.
//!
//! Every function may sleep (a copy may fault a page in) and is called without a spinning lock held.

use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use crate::arch;
use crate::sync::order;

/// Copies `buf.len()` bytes in from user address `addr`. `EFAULT` where any byte cannot be read.
pub fn read_bytes(addr: u64, buf: &mut [u8]) -> Result<()> {
    debug_assert!(!order::holds_spinning());
    arch::copy_from_user(buf, addr).map_err(|_| Errno::EFAULT)
}

/// Copies `bytes` out to user address `addr`. `EFAULT` where any byte cannot be written.
pub fn write_bytes(addr: u64, bytes: &[u8]) -> Result<()> {
    debug_assert!(!order::holds_spinning());
    arch::copy_to_user(addr, bytes).map_err(|_| Errno::EFAULT)
}

/// Reads one value; every bit pattern of `T` is valid.
pub fn read<T: FromBytes + FromZeros + IntoBytes>(addr: u64) -> Result<T> {
    let mut value = T::new_zeroed();
    read_bytes(addr, value.as_mut_bytes())?;
    Ok(value)
}

/// Writes one value; `T` has no padding that could leak.
pub fn write<T: IntoBytes + Immutable>(addr: u64, value: &T) -> Result<()> {
    write_bytes(addr, value.as_bytes())
}

/// Reads a NUL-terminated string of at most `max` bytes, NUL not counted. `ENAMETOOLONG` when there is no NUL by then.
pub fn read_cstr(addr: u64, max: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = addr;
    let mut chunk = [0u8; 64];
    loop {
        // Never past the page the string may end in.
        let room = (4096 - (at & 4095) as usize).min(chunk.len());
        read_bytes(at, &mut chunk[..room])?;
        let part = &chunk[..room];
        let end = part.iter().position(|&b| b == 0);
        let part = &part[..end.unwrap_or(room)];
        if out.len() + part.len() > max {
            return Err(Errno::ENAMETOOLONG);
        }
        out.try_reserve(part.len()).map_err(|_| Errno::ENOMEM)?;
        out.extend_from_slice(part);
        if end.is_some() {
            return Ok(out);
        }
        at += room as u64;
    }
}
