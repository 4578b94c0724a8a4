//! Module files: relocatable AArch64 ELF (Linux: the checks and look-ups of `kernel/module/main.c`).
//!
//! The file is anybody's. Every number in it is checked before it is used, and what does not fit is `ENOEXEC`.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::relocation::RelaIterator;
use elf::section::SectionHeader;
use elf::string_table::StringTable;
use elf::symbol::{Symbol, SymbolTable};
use elf::{ElfBytes, ParseError};
use heaps::{Errno, PAGE_SIZE, Result};
use sdk::abi::{MODINFO_SECTION, NAME_LEN, THIS_MODULE_SECTION, ThisModule, VERMAGIC};

/// More sections than this no module has: one for each kind, and those for debuggers.
const MAX_SECTIONS: usize = 256;
/// More symbols than this no module has.
const MAX_SYMBOLS: usize = 1 << 16;
/// The longest name of a symbol, in bytes (Linux: `KSYM_NAME_LEN`).
const MAX_SYMBOL_NAME: usize = 511;
/// More bytes than this no module says about itself.
const MAX_MODINFO: usize = 1 << 16;
/// Bytes of a symbol.
const SYMBOL: usize = 24;
/// Bytes of a relocation with addend.
const RELA: u64 = 24;

/// A module file whose parts are where it says.
pub struct File<'a> {
    sections: Vec<Section<'a>>,
    symbols: SymbolTable<'a, LittleEndian>,
    symbol_table: usize,
    strings: StringTable<'a>,
    modinfo: &'a [u8],
    this_module: usize,
    name: &'a str,
}

/// A section.
pub struct Section<'a> {
    /// Its header.
    pub header: SectionHeader,
    /// Its name.
    pub name: &'a str,
    /// Its bytes; none for one that is only zeroes.
    pub bytes: &'a [u8],
}

impl Section<'_> {
    /// Whether it is part of the module in memory: an empty one has a place, too, that symbols may name.
    pub fn is_loaded(&self) -> bool {
        self.has(abi::SHF_ALLOC)
    }

    /// Whether the header has all these flags.
    pub fn has(&self, flags: u32) -> bool {
        self.header.sh_flags & u64::from(flags) == u64::from(flags)
    }
}

fn malformed(_: ParseError) -> Errno {
    Errno::ENOEXEC
}

impl<'a> File<'a> {
    /// Reads a file. `ENOEXEC` for what is no module for this kernel, `ENOMEM`.
    pub fn parse(image: &'a [u8]) -> Result<File<'a>> {
        File::parse_for(image, VERMAGIC)
    }

    /// Reads a file for the kernel with this version magic.
    pub fn parse_for(image: &'a [u8], vermagic: &str) -> Result<File<'a>> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(image).map_err(malformed)?;
        let header = &elf.ehdr;
        let known = header.class == Class::ELF64
            && header.e_type == abi::ET_REL
            && header.e_machine == abi::EM_AARCH64
            && usize::from(header.e_shentsize) == size_of::<elf::section::Elf64_Shdr>();
        if !known {
            return Err(Errno::ENOEXEC);
        }
        let sections = sections(&elf, image)?;
        let only = |wanted: &dyn Fn(&Section<'_>) -> bool| {
            let mut found = sections.iter().enumerate().filter(|(_, section)| wanted(section));
            let first = found.next().map(|(index, _)| index).ok_or(Errno::ENOEXEC)?;
            if found.next().is_none() { Ok(first) } else { Err(Errno::ENOEXEC) }
        };
        let symbol_table = only(&|section| section.header.sh_type == abi::SHT_SYMTAB)?;
        let table = &sections[symbol_table];
        let strings = usize::try_from(table.header.sh_link).ok().and_then(|at| sections.get(at));
        let strings = strings.filter(|s| s.header.sh_type == abi::SHT_STRTAB).ok_or(Errno::ENOEXEC)?.bytes;
        if table.header.sh_entsize != SYMBOL as u64
            || !table.bytes.len().is_multiple_of(SYMBOL)
            || table.bytes.len() / SYMBOL > MAX_SYMBOLS
        {
            return Err(Errno::ENOEXEC);
        }
        let symbols = SymbolTable::new(LittleEndian, Class::ELF64, table.bytes);
        let modinfo = sections[only(&|section| section.name == MODINFO_SECTION)?].bytes;
        if modinfo.len() > MAX_MODINFO {
            return Err(Errno::ENOEXEC);
        }
        let this_module = only(&|section| section.name == THIS_MODULE_SECTION)?;
        let descriptor = &sections[this_module];
        if !descriptor.is_loaded() || descriptor.bytes.len() != size_of::<ThisModule>() {
            return Err(Errno::ENOEXEC);
        }
        let name = name(&descriptor.bytes[..NAME_LEN])?;
        let strings = StringTable::new(strings);
        let file = File { sections, symbols, symbol_table, strings, modinfo, this_module, name };
        if file.modinfo("vermagic").next() != Some(vermagic) {
            log::warn!("{name}: version magic should be '{vermagic}'");
            return Err(Errno::ENOEXEC);
        }
        Ok(file)
    }

    /// The module's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The sections, by number.
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// The number of the section with the module's descriptor.
    pub fn this_module(&self) -> usize {
        self.this_module
    }

    /// The symbols, by number.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.symbols.iter()
    }

    /// A symbol's name. `ENOEXEC` for one that is none, or too long.
    pub fn symbol_name(&self, symbol: &Symbol) -> Result<&'a str> {
        let name = self.strings.get(symbol.st_name as usize).map_err(malformed)?;
        if name.len() > MAX_SYMBOL_NAME { Err(Errno::ENOEXEC) } else { Ok(name) }
    }

    /// The values of the texts `key=value` in the modinfo section; what is not UTF-8 is left out.
    pub fn modinfo(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let entries = self.modinfo.split(|&byte| byte == 0).filter_map(|entry| str::from_utf8(entry).ok());
        entries.filter_map(move |entry| entry.strip_prefix(key)?.strip_prefix('='))
    }

    /// The relocations of the loaded sections: each with the number of the section it changes. `ENOEXEC` for a
    /// table that is not well formed, or of a kind that arm64 does not use.
    pub fn relocations(&self) -> impl Iterator<Item = Result<(usize, RelaIterator<'a, LittleEndian>)>> + '_ {
        self.sections.iter().filter_map(|table| {
            let kind = table.header.sh_type;
            if kind != abi::SHT_RELA && kind != abi::SHT_REL {
                return None;
            }
            let target = table.header.sh_info as usize;
            match self.sections.get(target) {
                None => Some(Err(Errno::ENOEXEC)),
                Some(section) if !section.is_loaded() => None,
                Some(_) => Some(self.relocation_table(table).map(|entries| (target, entries))),
            }
        })
    }

    fn relocation_table(&self, table: &Section<'a>) -> Result<RelaIterator<'a, LittleEndian>> {
        let sound = table.header.sh_type == abi::SHT_RELA
            && table.header.sh_entsize == RELA
            && table.header.sh_size.is_multiple_of(RELA)
            && table.header.sh_link as usize == self.symbol_table;
        if !sound {
            return Err(Errno::ENOEXEC);
        }
        Ok(RelaIterator::new(LittleEndian, Class::ELF64, table.bytes))
    }
}

fn sections<'a>(elf: &ElfBytes<'a, LittleEndian>, image: &'a [u8]) -> Result<Vec<Section<'a>>> {
    let (headers, names) = elf.section_headers_with_strtab().map_err(malformed)?;
    let (headers, names) = headers.zip(names).ok_or(Errno::ENOEXEC)?;
    if headers.len() > MAX_SECTIONS {
        return Err(Errno::ENOEXEC);
    }
    let mut sections = Vec::new();
    sections.try_reserve_exact(headers.len()).map_err(|_| Errno::ENOMEM)?;
    for header in headers {
        let name = names.get(header.sh_name as usize).map_err(malformed)?;
        let bytes = bytes(&header, image).ok_or(Errno::ENOEXEC)?;
        let section = Section { header, name, bytes };
        if section.is_loaded() && !loadable(&section) {
            return Err(Errno::ENOEXEC);
        }
        sections.push(section);
    }
    Ok(sections)
}

fn bytes<'a>(header: &SectionHeader, image: &'a [u8]) -> Option<&'a [u8]> {
    if matches!(header.sh_type, abi::SHT_NOBITS | abi::SHT_NULL) {
        return Some(&[]);
    }
    let start = usize::try_from(header.sh_offset).ok()?;
    image.get(start..start.checked_add(usize::try_from(header.sh_size).ok()?)?)
}

/// Whether a section that is part of the module can be: not for writing what runs, aligned to no more than a page.
fn loadable(section: &Section<'_>) -> bool {
    let align = section.header.sh_addralign.max(1);
    let kind = section.header.sh_type;
    matches!(kind, abi::SHT_PROGBITS | abi::SHT_NOBITS)
        && align.is_power_of_two()
        && align <= PAGE_SIZE as u64
        && !section.has(abi::SHF_WRITE | abi::SHF_EXECINSTR)
        && !section.has(abi::SHF_COMPRESSED)
        && !section.has(abi::SHF_TLS)
}

/// A name: graphic characters up to the first NUL, none of which has a meaning in a path or a list.
fn name(field: &[u8]) -> Result<&str> {
    let len = field.iter().position(|&byte| byte == 0).ok_or(Errno::ENOEXEC)?;
    let name = str::from_utf8(&field[..len]).map_err(|_| Errno::ENOEXEC)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(fits) { Ok(name) } else { Err(Errno::ENOEXEC) }
}
