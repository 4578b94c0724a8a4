//! Files of modules, and what can be wrong with them: as much of the ELF-64 object file format as it takes to find the
//! place to damage.

use super::read_bytes;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use heaps::uapi::errno::Result;

/// Offsets in the file's header.
pub mod header {
    /// Class: 32 or 64 bits.
    pub const CLASS: usize = 4;
    /// Byte order.
    pub const DATA: usize = 5;
    /// Relocatable, executable, shared.
    pub const TYPE: usize = 16;
    /// The architecture.
    pub const MACHINE: usize = 18;
    /// Where the section headers are, 8 bytes.
    pub const SHOFF: usize = 40;
    /// Bytes of a section header.
    pub const SHENTSIZE: usize = 58;
    /// How many there are.
    pub const SHNUM: usize = 60;
    /// Which section has their names.
    pub const SHSTRNDX: usize = 62;
}

/// Offsets in a section's header.
pub mod section {
    /// The section's kind, 4 bytes.
    pub const TYPE: usize = 4;
    /// Its flags, 8 bytes.
    pub const FLAGS: usize = 8;
    /// Where it is in the file, 8 bytes.
    pub const OFFSET: usize = 24;
    /// Its size, 8 bytes.
    pub const SIZE: usize = 32;
    /// The section it goes with, 4 bytes.
    pub const LINK: usize = 40;
    /// The section it is about, 4 bytes.
    pub const INFO: usize = 44;
    /// Its alignment, 8 bytes.
    pub const ALIGN: usize = 48;
    /// Bytes of an entry, 8 bytes.
    pub const ENTSIZE: usize = 56;
}

/// Offsets in a relocation.
pub mod rela {
    /// The type, 4 bytes.
    pub const TYPE: usize = 8;
    /// The symbol's number, 4 bytes.
    pub const SYMBOL: usize = 12;
    /// The addend, 8 bytes.
    pub const ADDEND: usize = 16;
    /// Bytes of all.
    pub const LEN: usize = 24;
}

/// Bytes of a section's header.
const SECTION_HEADER: usize = 64;

/// A module's file in memory. What is looked for and not there is `None`; what is put past the end is not put.
#[derive(Clone)]
pub struct Image(Vec<u8>);

impl Image {
    /// The file of the module `name`.
    ///
    /// # Errors
    /// What reading it says.
    pub fn read(name: &str) -> Result<Image> {
        read_bytes(&path(name)).map(Image)
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Puts `bytes` at an offset. `None` where there is no room.
    pub fn put(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.0.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// Puts `to` wherever `from`, as long as it, is. `None` where it is nowhere.
    pub fn replace(&mut self, from: &[u8], to: &[u8]) -> Option<()> {
        let found: Vec<usize> = (0..self.0.len()).filter(|&at| self.0[at..].starts_with(from)).collect();
        let some = !found.is_empty();
        found.into_iter().try_for_each(|at| self.put(at, to))?;
        some.then_some(())
    }

    /// Where the header is of the first section whose name begins with `prefix`.
    pub fn header_of(&self, prefix: &str) -> Option<usize> {
        let names = self.header_at(usize::from(self.half(header::SHSTRNDX)?))?;
        let names = self.content(names)?;
        (0..usize::from(self.half(header::SHNUM)?)).map_while(|number| self.header_at(number)).find(|&at| {
            let name = self.word(at).and_then(|name| self.0.get(names.start + name..));
            name.is_some_and(|name| name.starts_with(prefix.as_bytes()))
        })
    }

    /// Where the bytes are of the first section whose name begins with `prefix`.
    pub fn section(&self, prefix: &str) -> Option<Range<usize>> {
        self.content(self.header_of(prefix)?)
    }

    /// Where the relocation is of the place at `offset`, in the first section whose name begins with `prefix`.
    pub fn relocation(&self, prefix: &str, offset: usize) -> Option<usize> {
        self.section(prefix)?.step_by(rela::LEN).find(|&at| self.long(at) == Some(offset))
    }

    fn header_at(&self, number: usize) -> Option<usize> {
        Some(self.long(header::SHOFF)? + number * SECTION_HEADER)
    }

    fn content(&self, header: usize) -> Option<Range<usize>> {
        let start = self.long(header + section::OFFSET)?;
        Some(start..start + self.long(header + section::SIZE)?)
    }

    fn half(&self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn word(&self, at: usize) -> Option<usize> {
        self.0.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
    }

    fn long(&self, at: usize) -> Option<usize> {
        self.0.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes) as usize)
    }
}

/// The path of the module `name`.
pub fn path(name: &str) -> String {
    format!("/lib/modules/{name}.ko")
}
