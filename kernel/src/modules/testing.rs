//! Module files for unit tests, made by hand, and a provider that answers to their entries.
//!
//! A module here has four entries in its text, eight bytes each: the addresses of the test's own functions, which is
//! what the stand-in for modules' memory runs.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use elf::abi;
use heaps::exporter::{CmaHeap, SystemHeap};
use heaps::{Errno, HeapOps, Result};
use sdk::Params;
use sdk::abi::{Entry, Init, ThisModule, VERMAGIC};

use super::{containing, heaps as registered};
use crate::drivers::dma_heap::{Kernel, regions};
use crate::mm::module::running;

/// A section of a file that is being made.
#[derive(Clone)]
pub struct Part {
    pub name: &'static str,
    pub kind: u32,
    pub flags: u32,
    pub bytes: Vec<u8>,
    pub link: u32,
    pub info: u32,
    pub entry: u64,
}

fn part(name: &'static str, kind: u32, flags: u32, bytes: Vec<u8>) -> Part {
    Part { name, kind, flags, bytes, link: 0, info: 0, entry: 0 }
}

/// A relocation: offset, symbol, type, addend.
pub type Reloc = (u64, u32, u32, i64);

fn table(name: &'static str, target: u32, relocs: &[Reloc]) -> Part {
    let mut bytes = Vec::new();
    for (offset, symbol, kind, addend) in relocs {
        bytes.extend(offset.to_le_bytes());
        bytes.extend((u64::from(*symbol) << 32 | u64::from(*kind)).to_le_bytes());
        bytes.extend(addend.to_le_bytes());
    }
    Part { link: SYMTAB, info: target, entry: 24, ..part(name, abi::SHT_RELA, 0, bytes) }
}

/// Numbers of the sections.
pub const TEXT: u32 = 1;
pub const MODINFO: u32 = 2;
pub const THIS_MODULE: u32 = 3;
pub const DATA: u32 = 4;
pub const RELA_TEXT: u32 = 6;
pub const SYMTAB: u32 = 7;
pub const STRTAB: u32 = 8;
/// The symbol that is the start of the text. The further symbols follow.
pub const TEXT_SYMBOL: u32 = 1;

/// A module to be made.
pub struct Maker {
    pub name: &'static str,
    pub modinfo: Vec<String>,
    pub entries: [u64; 4],
    /// Further symbols: name, section, value. Section 0 leaves them to others.
    pub symbols: Vec<(&'static str, u32, u64)>,
    /// Relocations of the text, behind the entries.
    pub relocs: Vec<Reloc>,
}

impl Maker {
    pub fn new(name: &'static str, init: Init, exit: Entry) -> Maker {
        let entries = [init as usize as u64, exit as usize as u64, 0, 0];
        let modinfo = alloc::vec![format!("vermagic={VERMAGIC}"), format!("name={name}")];
        Maker { name, modinfo, entries, symbols: Vec::new(), relocs: Vec::new() }
    }

    /// The file.
    pub fn make(&self) -> Vec<u8> {
        assemble(&self.parts())
    }

    /// Its sections, to be changed before they are assembled.
    pub fn parts(&self) -> Vec<Part> {
        let mut text: Vec<u8> = self.entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        text.resize(96, 0);
        let modinfo = self.modinfo.iter().flat_map(|text| text.bytes().chain([0])).collect();
        let there = (0..4u32).filter(|&n| self.entries[n as usize] != 0);
        let entries: Vec<Reloc> = there
            .map(|n| (56 + 8 * u64::from(n), TEXT_SYMBOL, abi::R_AARCH64_ABS64, 8 * i64::from(n)))
            .collect();
        let (symbols, strings) = self.symbol_table();
        let load = abi::SHF_ALLOC;
        alloc::vec![
            part("", abi::SHT_NULL, 0, Vec::new()),
            part(".text", abi::SHT_PROGBITS, load | abi::SHF_EXECINSTR, text),
            part(".modinfo", abi::SHT_PROGBITS, load, modinfo),
            part(".gnu.linkonce.this_module", abi::SHT_PROGBITS, load, descriptor(self.name)),
            part(".data", abi::SHT_PROGBITS, load | abi::SHF_WRITE, alloc::vec![7; 40]),
            table(".rela.this", THIS_MODULE, &entries),
            table(".rela.text", TEXT, &self.relocs),
            Part { link: STRTAB, entry: 24, ..part(".symtab", abi::SHT_SYMTAB, 0, symbols) },
            part(".strtab", abi::SHT_STRTAB, 0, strings),
        ]
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut symbols, mut strings) = (alloc::vec![0; 24], alloc::vec![0]);
        let mut add = |name: &str, info: u8, section: u32, value: u64| {
            symbols.extend((strings.len() as u32).to_le_bytes());
            symbols.extend([info, 0]);
            symbols.extend((section as u16).to_le_bytes());
            symbols.extend(value.to_le_bytes());
            symbols.extend(0u64.to_le_bytes());
            strings.extend(name.bytes().chain([0]));
        };
        add("", abi::STT_SECTION, TEXT, 0);
        for (name, section, value) in &self.symbols {
            add(name, abi::STB_GLOBAL << 4, *section, *value);
        }
        (symbols, strings)
    }
}

fn descriptor(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(size_of::<ThisModule>(), 0);
    bytes
}

/// The file of these sections, with the table of names that they need.
pub fn assemble(parts: &[Part]) -> Vec<u8> {
    let mut names: Vec<u8> = Vec::new();
    let mut headers = Vec::new();
    let mut file = alloc::vec![0; 64];
    let own = part(".shstrtab", abi::SHT_STRTAB, 0, Vec::new());
    for part in parts.iter().chain([&own]) {
        let name = names.len() as u32;
        names.extend(part.name.bytes().chain([0]));
        let bytes = if part.name == own.name { &names } else { &part.bytes };
        file.resize(file.len().next_multiple_of(8), 0);
        headers.extend([name, part.kind].iter().flat_map(|word| word.to_le_bytes()));
        for word in [u64::from(part.flags), 0, file.len() as u64, bytes.len() as u64] {
            headers.extend(word.to_le_bytes());
        }
        headers.extend([part.link, part.info].iter().flat_map(|word| word.to_le_bytes()));
        headers.extend([8, part.entry].iter().flat_map(|word: &u64| word.to_le_bytes()));
        file.extend(bytes);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let (at, count) = (file.len() as u64, parts.len() as u16 + 1);
    file.extend(headers);
    file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    file[16..18].copy_from_slice(&abi::ET_REL.to_le_bytes());
    file[18..20].copy_from_slice(&abi::EM_AARCH64.to_le_bytes());
    file[20..24].copy_from_slice(&1u32.to_le_bytes());
    file[40..48].copy_from_slice(&at.to_le_bytes());
    for (at, word) in [(52, 64), (58, 64), (60, count), (62, count - 1)] {
        file[at..at + 2].copy_from_slice(&u16::to_le_bytes(word));
    }
    file
}

/// What the providers keep, by module: the heap's name, and its registration.
type Kept = BTreeMap<String, (String, Option<u64>)>;

fn kept() -> MutexGuard<'static, Kept> {
    static KEPT: Mutex<Kept> = Mutex::new(BTreeMap::new());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn me() -> String {
    containing(running()).expect("a module runs").module.name().into()
}

/// A module like `tee_heap`, under any name.
pub fn tee(name: &'static str) -> Vec<u8> {
    let mut maker = Maker::new(name, tee_init, exit);
    maker.modinfo.extend(["parmtype=name:charp".into(), "parmtype=limit:ulong".into()]);
    maker.entries[2] = probe as Entry as usize as u64;
    maker.entries[3] = remove as Entry as usize as u64;
    maker.make()
}

/// A module like `cma_heap`.
pub fn cma() -> Vec<u8> {
    Maker::new("cma_heap", cma_init, exit).make()
}

fn tee_init(params: &Params<'_>) -> Result<()> {
    kept().insert(me(), (params.get("name").ok_or(Errno::EINVAL)?.into(), None));
    probe()
}

fn cma_init(_: &Params<'_>) -> Result<()> {
    let heap = CmaHeap::<Kernel, _>::new(regions::default_pool().ok_or(Errno::ENODEV)?);
    let handle = registered::register(running(), Some("default_cma_region"), Some(Box::new(heap)))?;
    kept().insert(me(), ("default_cma_region".into(), Some(handle)));
    Ok(())
}

fn probe() -> Result<()> {
    let (name, handle) = kept().get(&me()).cloned().ok_or(Errno::ENODEV)?;
    if handle.is_some() {
        return Err(Errno::EBUSY);
    }
    let ops: Box<dyn HeapOps> = Box::new(SystemHeap::<Kernel>::new());
    let handle = registered::register(running(), Some(&name), Some(ops))?;
    kept().insert(me(), (name, Some(handle)));
    Ok(())
}

fn remove() -> Result<()> {
    let (name, handle) = kept().get(&me()).cloned().ok_or(Errno::ENODEV)?;
    registered::unregister(running(), handle.ok_or(Errno::ENODEV)?)?;
    kept().insert(me(), (name, None));
    Ok(())
}

fn exit() -> Result<()> {
    match remove() {
        Ok(()) | Err(Errno::ENODEV) => Ok(()),
        Err(errno) => Err(errno),
    }
}
