//! Listing directories: `getdents64` records, and the operations of an open directory.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::file::{File, FileOps, Position, Whence, seek_within};
use super::inode::{Content, S_IFDIR, S_IFMT};
use super::io::Sink;
use super::path::NAME_MAX;

/// Bytes of a record before its name (`struct linux_dirent64`).
const HEADER: usize = 19;
/// Bytes of the longest record.
const LARGEST: usize = (HEADER + NAME_MAX + 1).next_multiple_of(8);

/// Takes directory entries and hands them on as `getdents64` records.
pub struct DirSink<'a> {
    to: &'a mut dyn Sink,
    done: usize,
}

impl<'a> DirSink<'a> {
    /// Hands records to `to`.
    pub fn new(to: &'a mut dyn Sink) -> Self {
        DirSink { to, done: 0 }
    }

    /// Bytes handed on.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Adds an entry, after which the listing continues at `next`; `kind` is of the `S_IF` values. Returns whether
    /// it fitted; `EINVAL` when not even the first did, `EFAULT`.
    fn add(&mut self, ino: u64, next: u64, kind: u32, name: &[u8]) -> Result<bool> {
        let name = &name[..name.len().min(NAME_MAX)];
        let len = (HEADER + name.len() + 1).next_multiple_of(8);
        if len > self.to.room() {
            return if self.done == 0 { Err(Errno::EINVAL) } else { Ok(false) };
        }
        let mut record = [0; LARGEST];
        record[..8].copy_from_slice(&ino.to_le_bytes());
        record[8..16].copy_from_slice(&next.to_le_bytes());
        record[16..18].copy_from_slice(&(len as u16).to_le_bytes());
        record[18] = ((kind & S_IFMT) >> 12) as u8;
        record[HEADER..HEADER + name.len()].copy_from_slice(name);
        match self.to.put(&record[..len]) {
            Err(e) if self.done == 0 => Err(e),
            Err(_) => Ok(false),
            Ok(()) => {
                self.done += len;
                Ok(true)
            }
        }
    }
}

/// An open directory of either kind. Its position is the cookie of the next entry; 0 and 1 are `.` and `..`.
pub struct DirFile;

impl FileOps for DirFile {
    fn read_at(&self, _: &File, _: &mut dyn Sink, _: u64) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn position(&self) -> Position {
        Position::Locked
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        match whence {
            Whence::End | Whence::Data | Whence::Hole => Err(Errno::EINVAL),
            _ => seek_within(file, 0, offset, whence),
        }
    }

    fn iterate(&self, file: &File, to: &mut DirSink<'_>) -> Result<()> {
        let here = file.dentry().ok_or(Errno::ENOTDIR)?;
        here.inode().access();
        if here.inode().nlink() == 0 {
            return Err(Errno::ENOENT);
        }
        while file.pos() < 2 {
            if !dot(here, file, to)? {
                return Ok(());
            }
        }
        match here.inode().content() {
            Content::Dynamic(dir) => {
                while let Some(entry) = dir.next(file.pos()) {
                    // The number is made up: the inode is, too, at each look-up.
                    let ino = here.inode().ino() << 32 | entry.cookie;
                    if !to.add(ino, entry.cookie + 1, entry.kind, &entry.name)? {
                        return Ok(());
                    }
                    file.set_pos(entry.cookie + 1);
                }
            }
            _ => {
                while let Some((cookie, child)) = here.child_from(file.pos()) {
                    let inode = child.inode();
                    if !to.add(inode.ino(), cookie + 1, inode.mode(), &child.name())? {
                        return Ok(());
                    }
                    file.set_pos(cookie + 1);
                }
            }
        }
        Ok(())
    }
}

fn dot(here: &Dentry, file: &File, to: &mut DirSink<'_>) -> Result<bool> {
    let pos = file.pos();
    let ino = match here.parent() {
        Some(parent) if pos == 1 => parent.inode().ino(),
        _ => here.inode().ino(),
    };
    let fits = to.add(ino, pos + 1, S_IFDIR, if pos == 0 { b"." } else { b".." })?;
    if fits {
        file.set_pos(pos + 1);
    }
    Ok(fits)
}
