//! Program files: 64-bit little-endian AArch64 ELF (Linux: `fs/binfmt_elf.c`).
//!
//! The file is anybody's. Every number in it is checked before it is used, and what does not fit is `ENOEXEC`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::{ProgramHeader, SegmentTable};
use heaps::{Errno, PAGE_SIZE, Result};

use crate::mm::Prot;
use crate::mm::aspace::{MMAP_TOP, USER_END, USER_START};

const PAGE: u64 = PAGE_SIZE as u64;
const HEADER: usize = 64;
const PHENT: usize = 56;
/// More program headers than this no linker writes.
const MAX_PHNUM: usize = 128;
/// Where a program that runs anywhere is put: two thirds up, as Linux does.
pub const PIE_BASE: u64 = (USER_END / 3 * 2) & !0x1f_ffff;

/// Bytes of a file.
pub trait Read {
    /// Reads at `offset`; returns how much there was, short only at the end.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize>;
}

/// A part of a program, at the address where it goes. All but `len` in whole pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First byte.
    pub start: u64,
    /// Where pages with content of the file end.
    pub file_end: u64,
    /// Where it ends.
    pub end: u64,
    /// The file's byte at `start`.
    pub offset: u64,
    /// How many bytes from `start` are the file's; zeroes follow.
    pub len: u64,
    /// Allowed accesses.
    pub prot: Prot,
}

/// What a file says, before it is known where it goes.
pub struct Parsed {
    header: FileHeader<LittleEndian>,
    headers: Vec<ProgramHeader>,
}

/// What a file says a program is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Where it starts.
    pub entry: u64,
    /// Where its program headers are in memory, or 0.
    pub phdr: u64,
    /// How many there are.
    pub phnum: u16,
    /// How far it is from where it was linked to be.
    pub bias: u64,
    /// Its parts, lowest first, none overlapping.
    pub segments: Vec<Segment>,
}

/// Reads a program of `size` bytes, to go where programs go. `ENOEXEC`, and what reading says.
pub fn parse(file: &dyn Read, size: u64) -> Result<Program> {
    read(file)?.program(size, PIE_BASE)
}

/// Reads a program's headers. `ENOEXEC`, and what reading says.
pub fn read(file: &dyn Read) -> Result<Parsed> {
    let mut head = [0u8; HEADER];
    if file.read(0, &mut head)? != HEADER {
        return Err(Errno::ENOEXEC);
    }
    let header = header(&head)?;
    let phnum = usize::from(header.e_phnum);
    let mut table = Vec::new();
    table.try_reserve_exact(phnum * PHENT).map_err(|_| Errno::ENOMEM)?;
    table.resize(phnum * PHENT, 0);
    if file.read(header.e_phoff, &mut table)? != table.len() {
        return Err(Errno::ENOEXEC);
    }
    let mut headers = Vec::new();
    headers.try_reserve_exact(phnum).map_err(|_| Errno::ENOMEM)?;
    headers.extend(SegmentTable::new(LittleEndian, Class::ELF64, &table).iter());
    Ok(Parsed { header, headers })
}

impl Parsed {
    /// Where in the file its interpreter's name is, with the NUL at its end, and how long, if it has one.
    pub fn interpreter(&self) -> Option<(u64, u64)> {
        self.headers.iter().find(|h| h.p_type == abi::PT_INTERP).map(|h| (h.p_offset, h.p_filesz))
    }

    /// How many bytes it takes in memory, in whole pages.
    pub fn span(&self) -> Option<u64> {
        let loads = || self.headers.iter().filter(|h| h.p_type == abi::PT_LOAD && h.p_memsz != 0);
        let lowest = loads().map(|h| h.p_vaddr).min()? & !(PAGE - 1);
        let highest = loads().try_fold(0, |end, h| Some(h.p_vaddr.checked_add(h.p_memsz)?.max(end)))?;
        highest.checked_next_multiple_of(PAGE)?.checked_sub(lowest)
    }

    /// What is to be loaded of a file of `size` bytes; at `base`, if it may go anywhere. `ENOEXEC`, `ENOMEM`.
    pub fn program(&self, size: u64, base: u64) -> Result<Program> {
        let mut segments = Vec::new();
        segments.try_reserve_exact(self.headers.len()).map_err(|_| Errno::ENOMEM)?;
        program(&self.header, &self.headers, size, base, segments).ok_or(Errno::ENOEXEC)
    }
}

fn header(head: &[u8; HEADER]) -> Result<FileHeader<LittleEndian>> {
    let (ident, tail) = head.split_at(abi::EI_NIDENT);
    let header = parse_ident::<LittleEndian>(ident)
        .and_then(|ident| FileHeader::parse_tail(ident, tail))
        .map_err(|_| Errno::ENOEXEC)?;
    let known = header.class == Class::ELF64
        && header.e_machine == abi::EM_AARCH64
        && matches!(header.e_type, abi::ET_EXEC | abi::ET_DYN)
        && usize::from(header.e_phentsize) == PHENT
        && (1..=MAX_PHNUM).contains(&usize::from(header.e_phnum));
    if known { Ok(header) } else { Err(Errno::ENOEXEC) }
}

fn program(
    header: &FileHeader<LittleEndian>,
    headers: &[ProgramHeader],
    size: u64,
    base: u64,
    mut segments: Vec<Segment>,
) -> Option<Program> {
    let loads = headers.iter().filter(|h| h.p_type == abi::PT_LOAD && h.p_memsz != 0);
    let lowest = loads.clone().map(|h| h.p_vaddr).min()? & !(PAGE - 1);
    let bias = if header.e_type == abi::ET_DYN { base.checked_sub(lowest)? } else { 0 };
    for load in loads.clone() {
        segments.push(segment(load, bias, size)?);
    }
    segments.sort_unstable_by_key(|s| s.start);
    if segments.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return None;
    }
    let entry = header.e_entry.checked_add(bias).filter(|&at| at < USER_END)?;
    let phdr = loads.clone().find_map(|h| headers_in(h, header)).map_or(0, |at| at + bias);
    Some(Program { entry, phdr, phnum: header.e_phnum, bias, segments })
}

fn segment(h: &ProgramHeader, bias: u64, size: u64) -> Option<Segment> {
    let content_end = h.p_offset.checked_add(h.p_filesz)?;
    let within = h.p_vaddr % PAGE;
    if h.p_filesz > h.p_memsz || content_end > size || h.p_offset % PAGE != within {
        return None;
    }
    let at = h.p_vaddr.checked_add(bias)?;
    let end = at.checked_add(h.p_memsz)?.checked_next_multiple_of(PAGE)?;
    if at < USER_START || end > MMAP_TOP {
        return None;
    }
    let file_end = if h.p_filesz == 0 { at - within } else { (at + h.p_filesz).next_multiple_of(PAGE) };
    let mut prot = Prot::empty();
    prot.set(Prot::READ, h.p_flags & abi::PF_R != 0);
    prot.set(Prot::WRITE, h.p_flags & abi::PF_W != 0);
    prot.set(Prot::EXEC, h.p_flags & abi::PF_X != 0);
    let (start, offset) = (at - within, h.p_offset - within);
    Some(Segment { start, file_end, end, offset, len: within + h.p_filesz, prot })
}

/// Where a segment, as linked, holds the program headers.
fn headers_in(h: &ProgramHeader, header: &FileHeader<LittleEndian>) -> Option<u64> {
    let within = header.e_phoff.checked_sub(h.p_offset).filter(|&at| at < h.p_filesz)?;
    h.p_vaddr.checked_add(within)
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
