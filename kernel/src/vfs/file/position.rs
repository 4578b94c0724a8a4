//! Positions: which files have one, and where `lseek` leads (Linux: `fs/read_write.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::File;

/// A file's idea of a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// There is none.
    None,
    /// There is one for those who name it, but reading and writing do not move it.
    Still,
    /// There is one, and threads sharing the file may get in each other's way.
    Shared,
    /// There is one, and threads sharing the file take turns.
    Locked,
}

/// What `lseek` counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start.
    Set,
    /// The current position.
    Cur,
    /// The end.
    End,
    /// The next byte that is data (`SEEK_DATA`).
    Data,
    /// The next byte that is in a hole (`SEEK_HOLE`).
    Hole,
}

impl Whence {
    /// The whence of a system call. `EINVAL`.
    pub fn from_raw(raw: u32) -> Result<Whence> {
        match raw {
            0 => Ok(Whence::Set),
            1 => Ok(Whence::Cur),
            2 => Ok(Whence::End),
            3 => Ok(Whence::Data),
            4 => Ok(Whence::Hole),
            _ => Err(Errno::EINVAL),
        }
    }

    /// As a system call carries it.
    pub fn raw(self) -> u32 {
        self as u32
    }
}

/// `EINVAL` for a transfer past the last offset (Linux: `rw_verify_area`).
pub fn verify_area(pos: u64, len: usize) -> Result<()> {
    let end = pos.checked_add(len as u64).filter(|&end| end <= i64::MAX as u64);
    end.map(drop).ok_or(Errno::EINVAL)
}

/// Where `lseek` leads from a file `size` bytes long, which is one piece of data. `EINVAL` before the start and past
/// the last offset, `ENXIO` for data or a hole past the end.
pub fn seek_within(file: &File, size: u64, offset: i64, whence: Whence) -> Result<u64> {
    let base = match whence {
        Whence::Set => 0,
        Whence::Cur => file.pos(),
        Whence::End => size,
        Whence::Data | Whence::Hole => {
            let from = u64::try_from(offset).ok().filter(|&from| from < size).ok_or(Errno::ENXIO)?;
            let pos = if whence == Whence::Data { from } else { size };
            file.set_pos(pos);
            return Ok(pos);
        }
    };
    let pos = (base as i64).checked_add(offset).ok_or(Errno::EINVAL)?;
    let pos = u64::try_from(pos).map_err(|_| Errno::EINVAL)?;
    file.set_pos(pos);
    Ok(pos)
}
