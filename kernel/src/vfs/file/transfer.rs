//! Reading, writing and seeking, in turn where threads share a position (Linux: `fs/read_write.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::{File, Position, Whence, verify_area};
use crate::sync::{MutexGuard, order};
use crate::vfs::dir::DirSink;
use crate::vfs::io::{Sink, Source};

impl File {
    /// Reads at the position and moves it. `EBADF` when not open for reading. May sleep.
    pub fn read(&self, to: &mut dyn Sink) -> Result<usize> {
        self.may_read()?;
        let len = to.room();
        self.at_position(len, |pos| self.ops().read_at(self, to, pos).map(|n| (n, pos + n as u64)))
    }

    /// Writes at the position and moves it. `EBADF` when not open for writing. May sleep.
    pub fn write(&self, from: &mut dyn Source) -> Result<usize> {
        self.may_write()?;
        let len = from.left();
        self.at_position(len, |pos| self.ops().write_at(self, from, pos))
    }

    /// Reads at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pread(&self, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        self.may_read()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        verify_area(pos, to.room())?;
        self.ops().read_at(self, to, pos)
    }

    /// Writes at `pos`. `EBADF`, `ESPIPE` where there is no position. May sleep.
    pub fn pwrite(&self, from: &mut dyn Source, pos: u64) -> Result<usize> {
        self.may_write()?;
        if self.ops().position() == Position::None {
            return Err(Errno::ESPIPE);
        }
        verify_area(pos, from.left())?;
        self.ops().write_at(self, from, pos).map(|(n, _)| n)
    }

    /// Writes at the end, wherever the position is, and moves it where `moves`. As [`write`](Self::write) and
    /// [`pwrite`](Self::pwrite). May sleep.
    pub fn append(&self, from: &mut dyn Source, moves: bool) -> Result<usize> {
        self.may_write()?;
        let len = from.left();
        match self.ops().position() {
            _ if moves => self.at_position(len, |pos| self.ops().append(self, from, pos)),
            Position::None => Err(Errno::ESPIPE),
            _ => self.ops().append(self, from, self.pos()).map(|(n, _)| n),
        }
    }

    /// Lists entries and moves the position. May sleep.
    pub fn iterate(&self, to: &mut DirSink<'_>) -> Result<()> {
        let _turn = self.pos_lock.lock();
        self.ops().iterate(self, to)
    }

    /// Moves the position. May sleep.
    pub fn lseek(&self, offset: i64, whence: Whence) -> Result<u64> {
        if self.is_path() {
            return Err(Errno::EBADF);
        }
        let _turn = self.turn();
        self.ops().llseek(self, offset, whence)
    }

    fn at_position(&self, len: usize, transfer: impl FnOnce(u64) -> Result<(usize, u64)>) -> Result<usize> {
        if self.ops().position() == Position::None {
            return transfer(0).map(|(n, _)| n);
        }
        let _turn = self.turn();
        verify_area(self.pos(), len)?;
        let (n, after) = transfer(self.pos())?;
        if self.ops().position() != Position::Still {
            self.set_pos(after);
        }
        Ok(n)
    }

    fn turn(&self) -> Option<MutexGuard<'_, (), { order::FILE_POS }>> {
        (self.ops().position() == Position::Locked).then(|| self.pos_lock.lock())
    }
}
