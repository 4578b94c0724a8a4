//! Where a module's sections go: text, read-only data and data, each in pages of its own (Linux: `layout_sections`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use elf::abi;
use heaps::{Errno, PAGE_SIZE, Result};

use super::file::{File, Section};

/// Bytes that a module may have in memory.
pub const MAX_SIZE: usize = 4 << 20;

/// What a part of a module may be used for, in the order of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Run and read.
    Text,
    /// Read.
    Rodata,
    /// Read and written.
    Data,
}

impl Part {
    /// All three, in the order of their addresses.
    pub const ALL: [Part; 3] = [Part::Text, Part::Rodata, Part::Data];

    fn of(section: &Section<'_>) -> Part {
        match section {
            s if s.has(abi::SHF_EXECINSTR) => Part::Text,
            s if s.has(abi::SHF_WRITE) => Part::Data,
            _ => Part::Rodata,
        }
    }
}

/// A module's sections, placed: offsets count from the start of its memory.
#[derive(Debug)]
pub struct Layout {
    offsets: Vec<Option<usize>>,
    /// Where each part starts, and where the last ends: whole pages.
    bounds: [usize; Part::ALL.len() + 1],
}

impl Layout {
    /// Places the sections of `file`. `ENOEXEC` when they are too large, or nothing can be run; `ENOMEM`.
    pub fn of(file: &File<'_>) -> Result<Layout> {
        let sections = file.sections();
        let mut offsets = Vec::new();
        offsets.try_reserve_exact(sections.len()).map_err(|_| Errno::ENOMEM)?;
        offsets.resize(sections.len(), None);
        let mut bounds = [0; Part::ALL.len() + 1];
        let mut end = 0;
        for (at, part) in Part::ALL.into_iter().enumerate() {
            bounds[at] = end;
            for (section, offset) in sections.iter().zip(&mut offsets) {
                if section.is_loaded() && Part::of(section) == part {
                    let start = place(section, end).ok_or(Errno::ENOEXEC)?;
                    *offset = Some(start);
                    end = start + section.header.sh_size as usize;
                }
            }
            end = end.next_multiple_of(PAGE_SIZE);
        }
        bounds[Part::ALL.len()] = end;
        if bounds[1] == 0 {
            return Err(Errno::ENOEXEC);
        }
        Ok(Layout { offsets, bounds })
    }

    /// Where a section starts; `None` for one that is not loaded.
    pub fn offset(&self, section: usize) -> Option<usize> {
        self.offsets.get(section).copied().flatten()
    }

    /// Bytes of all parts, whole pages.
    pub fn size(&self) -> usize {
        self.bounds[Part::ALL.len()]
    }

    /// The range of a part, whole pages.
    pub fn range(&self, part: Part) -> core::ops::Range<usize> {
        self.bounds[part as usize]..self.bounds[part as usize + 1]
    }
}

/// Where a section that comes after `end` starts.
fn place(section: &Section<'_>, end: usize) -> Option<usize> {
    let align = section.header.sh_addralign.max(1) as usize;
    let start = end.next_multiple_of(align);
    let size = usize::try_from(section.header.sh_size).ok()?;
    (start.checked_add(size)? <= MAX_SIZE).then_some(start)
}
