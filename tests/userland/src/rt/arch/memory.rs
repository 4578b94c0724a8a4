//! Mappings and the program break.

use super::{call, plain_call};
use crate::rt::abi::{self, nr};
use core::sync::atomic::{AtomicU64, Ordering};
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// A mapping that is unmapped when it goes. Reads and writes are volatile, since the pages may be shared
/// with other tasks; one that the kernel refuses ends the process by a signal.
#[derive(Debug)]
pub struct Mapping {
    address: usize,
    length: usize,
}

impl Mapping {
    /// mmap where the kernel likes.
    pub fn new(length: usize, prot: usize, flags: usize, fd: i32, offset: usize) -> Result<Mapping> {
        // SAFETY: without MAP_FIXED (masked out) the kernel puts it where nothing is.
        let address = unsafe { call(nr::MMAP, [0, length, prot, flags & 0x402f, fd as usize, offset]) }?;
        Ok(Mapping { address, length })
    }

    /// Private zeroed pages, readable and writable.
    pub fn anonymous(length: usize) -> Result<Mapping> {
        Mapping::new(length, abi::PROT_RW, abi::MAP_PRIVATE | abi::MAP_ANONYMOUS, -1, 0)
    }

    /// All of a buffer or file, shared.
    pub fn shared(fd: i32, length: usize) -> Result<Mapping> {
        Mapping::new(length, abi::PROT_RW, abi::MAP_SHARED, fd, 0)
    }

    /// Where it is.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its length in bytes, as asked for.
    pub fn length(&self) -> usize {
        self.length
    }

    fn at(&self, offset: usize, size: usize) -> usize {
        assert!(
            offset.is_multiple_of(size) && offset + size <= self.length,
            "offset {offset:#x} outside a mapping"
        );
        self.address + offset
    }

    /// The byte at `offset`.
    pub fn get(&self, offset: usize) -> u8 {
        // SAFETY: within the mapping; a page that is not there is a signal, not undefined behaviour.
        unsafe { (self.at(offset, 1) as *const u8).read_volatile() }
    }

    /// Sets the byte at `offset`.
    pub fn put(&self, offset: usize, value: u8) {
        // SAFETY: as for `get`; nobody borrows the pages.
        unsafe { (self.at(offset, 1) as *mut u8).write_volatile(value) }
    }

    /// The 64-bit word at `offset`, a multiple of 8.
    pub fn word(&self, offset: usize) -> u64 {
        // SAFETY: as for `get`, and aligned.
        unsafe { (self.at(offset, 8) as *const u64).read_volatile() }
    }

    /// Sets the 64-bit word at `offset`, a multiple of 8.
    pub fn put_word(&self, offset: usize, value: u64) {
        // SAFETY: as for `put`, and aligned.
        unsafe { (self.at(offset, 8) as *mut u64).write_volatile(value) }
    }

    /// Adds to the 64-bit word at `offset`, a multiple of 8, in one step for all who share it: what it was.
    pub fn add_word(&self, offset: usize, by: u64) -> u64 {
        // SAFETY: within the mapping, aligned, and only accessed volatile or atomically.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8) as *mut u64) }.fetch_add(by, Ordering::AcqRel)
    }

    /// Writes one byte of every page, with as few instructions as that takes.
    pub fn touch(&self) {
        let mut at = self.address;
        let end = self.address + self.length;
        while at < end {
            // SAFETY: as for `put`: within the mapping.
            unsafe { (at as *mut u8).write_volatile(1) }
            at += abi::PAGE;
        }
    }

    /// Reads from a file until it is full or the file ends; how much was read.
    pub fn read_from(&self, fd: i32) -> Result<usize> {
        let mut done = 0;
        while done < self.length {
            // SAFETY: the kernel writes within the mapping.
            match unsafe { call(nr::READ, [fd as usize, self.address + done, self.length - done, 0, 0, 0]) }?
            {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    /// mprotect of `length` bytes from `offset`.
    pub fn protect(&self, offset: usize, length: usize, prot: usize) -> Result<()> {
        if offset.checked_add(length).is_none_or(|end| end > round_up(self.length)) {
            return Err(Errno::EINVAL);
        }
        plain_call!(nr::MPROTECT, self.address + offset, length, prot).map(drop)
    }

    /// munmap of `length` bytes from `offset`, a hole from then on.
    pub fn punch(&self, offset: usize, length: usize) -> Result<()> {
        if offset.checked_add(length).is_none_or(|end| end > round_up(self.length)) {
            return Err(Errno::EINVAL);
        }
        plain_call!(nr::MUNMAP, self.address + offset, length).map(drop)
    }

    /// munmap of everything, with what the kernel said.
    pub fn unmap(self) -> Result<()> {
        let done = plain_call!(nr::MUNMAP, self.address, self.length).map(drop);
        core::mem::forget(self);
        done
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let _ = plain_call!(nr::MUNMAP, self.address, self.length);
    }
}

/// mlockall of what is mapped now: all of the program is in memory then.
pub fn lock_all() -> Result<()> {
    const MCL_CURRENT: usize = 1;
    plain_call!(nr::MLOCKALL, MCL_CURRENT).map(drop)
}

fn round_up(length: usize) -> usize {
    length.next_multiple_of(abi::PAGE)
}

/// The program break, which nothing else of the runtime uses, so that growing and shrinking it is safe.
pub struct Break {
    start: usize,
    end: usize,
}

impl Break {
    /// The break as it stands.
    pub fn current() -> Result<Break> {
        let at = plain_call!(nr::BRK, 0)?;
        Ok(Break { start: at, end: at })
    }

    /// Moves the end to `length` bytes past where [`Break::current`] found it; ENOMEM when the kernel
    /// leaves it where it was.
    pub fn resize(&mut self, length: usize) -> Result<()> {
        let want = self.start + length;
        let got = plain_call!(nr::BRK, want)?;
        self.end = got;
        if got == want { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Number of bytes between where it was found and its end.
    pub fn length(&self) -> usize {
        self.end - self.start
    }

    /// The byte at `offset` within it.
    pub fn get(&self, offset: usize) -> u8 {
        assert!(offset < self.length(), "offset {offset:#x} past the break");
        // SAFETY: inside the break, which nobody else uses.
        unsafe { ((self.start + offset) as *const u8).read_volatile() }
    }

    /// Sets the byte at `offset` within it.
    pub fn put(&mut self, offset: usize, value: u8) {
        assert!(offset < self.length(), "offset {offset:#x} past the break");
        // SAFETY: as for `get`.
        unsafe { ((self.start + offset) as *mut u8).write_volatile(value) }
    }
}
