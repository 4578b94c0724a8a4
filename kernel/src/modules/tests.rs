//! The parser and the linker, on files that are sound and on files that are not.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use elf::abi;
use heaps::{Errno, Result};
use proptest::prelude::*;
use sdk::Params;

use super::file::File;
use super::layout::{Layout, Part};
use super::link::{Entries, link};
use super::testing::{
    self, DATA, MODINFO, Maker, RELA_TEXT, STRTAB, SYMTAB, TEXT, TEXT_SYMBOL, THIS_MODULE, assemble,
};
use super::{loaded, params};

const BASE: usize = 0xffff_8000_8400_1000;

fn init(_: &Params<'_>) -> Result<()> {
    Ok(())
}

fn exit() -> Result<()> {
    Ok(())
}

fn maker() -> Maker {
    Maker::new("test", init, exit)
}

/// What becomes of a file: its bytes and entries.
fn linked(file: &[u8]) -> Result<(Vec<u8>, Entries)> {
    let file = File::parse(file)?;
    let layout = Layout::of(&file)?;
    let exported = |name: &str| (name == "known").then_some(BASE as u64 + 0x10_0000);
    link(&file, &layout, BASE, &mut { exported })
}

/// What becomes of a file one of whose sections was changed.
fn changed(section: u32, change: impl FnOnce(&mut testing::Part)) -> Result<(Vec<u8>, Entries)> {
    let mut parts = maker().parts();
    change(&mut parts[section as usize]);
    linked(&assemble(&parts))
}

#[test]
fn a_module_is_laid_out_by_use_and_its_entries_found() {
    let file = maker().make();
    let file = File::parse(&file).unwrap();
    assert_eq!((file.name(), file.modinfo("name").next()), ("test", Some("test")));
    let layout = Layout::of(&file).unwrap();
    assert_eq!(Part::ALL.map(|part| layout.range(part)), [0..0x1000, 0x1000..0x2000, 0x2000..0x3000]);
    let (bytes, entries) = linked(&maker().make()).unwrap();
    assert_eq!((bytes.len(), &bytes[0x2000..0x2028]), (0x3000, &[7; 40][..]));
    assert_eq!(
        entries,
        Entries { init: Some(BASE), exit: Some(BASE + 8), probe: None, remove: None, unplug: None }
    );
}

#[test]
fn symbols_come_from_the_module_or_from_others() {
    let mut maker = maker();
    maker.symbols = vec![("known", 0, 0), ("own", DATA, 16), ("constant", u32::from(abi::SHN_ABS), 42)];
    maker.relocs = vec![
        (40, 2, abi::R_AARCH64_ABS64, 4),
        (48, 3, abi::R_AARCH64_ABS64, -8),
        (56, 4, abi::R_AARCH64_ABS64, 0),
        (64, TEXT_SYMBOL, abi::R_AARCH64_PREL32, 0),
    ];
    let (bytes, _) = linked(&maker.make()).unwrap();
    let word = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    assert_eq!(word(40), BASE as u64 + 0x10_0004);
    assert_eq!(word(48), BASE as u64 + 0x2008);
    assert_eq!((word(56), word(64) as u32 as i32), (42, -64));
    maker.symbols[0].0 = "unknown";
    assert_eq!(linked(&maker.make()).err(), Some(Errno::ENOENT));
}

#[test]
fn a_symbol_may_name_an_empty_section() {
    let reloc = (32, TEXT_SYMBOL + 1, abi::R_AARCH64_ABS64, 0);
    let mut parts = Maker { symbols: vec![("nothing", DATA, 0)], relocs: vec![reloc], ..maker() }.parts();
    parts[DATA as usize].bytes.clear();
    let (bytes, _) = linked(&assemble(&parts)).unwrap();
    assert_eq!((bytes.len(), &bytes[32..40]), (0x2000, &(BASE as u64 + 0x2000).to_le_bytes()[..]));
}

#[test]
fn files_that_are_no_modules_are_refused() {
    let sound = maker().make();
    let with = |at: usize, byte: u8| {
        let mut file = sound.clone();
        file[at] = byte;
        linked(&file).err()
    };
    assert!(linked(&sound).is_ok());
    // Magic, class, byte order, type, machine, size and number of the section headers.
    for (at, byte) in [(0, 0), (4, 1), (5, 2), (16, 2), (18, 62), (58, 63), (60, 200), (62, 200)] {
        assert_eq!(with(at, byte), Some(Errno::ENOEXEC), "byte {at}");
    }
    for len in 0..sound.len() {
        assert_eq!(linked(&sound[..len]).err(), Some(Errno::ENOEXEC), "{len} bytes");
    }
}

#[test]
fn sections_that_do_not_fit_are_refused() {
    let refused = |section, change: &dyn Fn(&mut testing::Part)| {
        assert_eq!(changed(section, change).err(), Some(Errno::ENOEXEC));
    };
    refused(TEXT, &|part| part.flags |= abi::SHF_WRITE);
    refused(TEXT, &|part| part.flags = abi::SHF_ALLOC);
    refused(MODINFO, &|part| part.bytes = b"vermagic=another\0".to_vec());
    refused(MODINFO, &|part| part.bytes.clear());
    refused(MODINFO, &|part| part.name = ".comment");
    refused(MODINFO, &|part| part.bytes.resize(65537, b'a'));
    refused(THIS_MODULE, &|part| part.bytes.push(0));
    refused(THIS_MODULE, &|part| part.flags = 0);
    refused(THIS_MODULE, &|part| part.bytes[..4].copy_from_slice(b"a/b\0"));
    refused(THIS_MODULE, &|part| part.bytes[..56].fill(b'a'));
    refused(THIS_MODULE, &|part| part.bytes[0] = 0);
    refused(SYMTAB, &|part| part.kind = abi::SHT_PROGBITS);
    refused(SYMTAB, &|part| part.link = 99);
    refused(SYMTAB, &|part| part.entry = 16);
    refused(STRTAB, &|part| part.bytes.clear());
    refused(DATA, &|part| part.flags |= abi::SHF_TLS);
    refused(DATA, &|part| part.kind = abi::SHT_SYMTAB);
}

#[test]
fn relocations_that_do_not_fit_are_refused() {
    let with = |relocs: &[testing::Reloc], symbols: &[(&'static str, u32, u64)]| {
        let mut maker = maker();
        (maker.relocs, maker.symbols) = (relocs.to_vec(), symbols.to_vec());
        linked(&maker.make()).err()
    };
    let abs = abi::R_AARCH64_ABS64;
    assert_eq!(with(&[(88, TEXT_SYMBOL, abs, 0)], &[]), None);
    for reloc in [
        (89, TEXT_SYMBOL, abs, 0),                         // past the end
        (u64::MAX, TEXT_SYMBOL, abs, 0),                   // and far past it
        (40, 77, abs, 0),                                  // no such symbol
        (40, 0, abs, 0),                                   // the symbol that is none
        (40, TEXT_SYMBOL, 1, 0),                           // a type of the 32-bit ABI
        (40, TEXT_SYMBOL, abi::R_AARCH64_CALL26, 1 << 40), // out of reach
    ] {
        assert_eq!(with(&[reloc], &[]), Some(Errno::ENOEXEC), "{reloc:?}");
    }
    // Symbols past the end of their section, in no section, in one that is not loaded, and common ones.
    for symbol in [("s", DATA, 41), ("s", 60, 0), ("s", SYMTAB, 0), ("s", u32::from(abi::SHN_COMMON), 8)] {
        assert_eq!(with(&[(40, 2, abs, 0)], &[symbol]), Some(Errno::ENOEXEC), "{symbol:?}");
    }
    let table = |change: &dyn Fn(&mut testing::Part)| changed(RELA_TEXT, change).err();
    assert_eq!(table(&|part| part.link = STRTAB), Some(Errno::ENOEXEC));
    assert_eq!(table(&|part| part.entry = 16), Some(Errno::ENOEXEC));
    assert_eq!(table(&|part| part.kind = abi::SHT_REL), Some(Errno::ENOEXEC));
    assert_eq!(table(&|part| part.bytes = vec![0; 23]), Some(Errno::ENOEXEC));
    assert_eq!(table(&|part| part.info = 99), Some(Errno::ENOEXEC));
}

#[test]
fn entries_outside_of_the_text_are_refused() {
    // An exit in the data, one between instructions, one in the kernel.
    for exit in [BASE as u64 + 0x2000, BASE as u64 + 2, 0xffff_8000_8000_0000] {
        let entry = |part: &mut testing::Part| part.bytes[64..72].copy_from_slice(&exit.to_le_bytes());
        let mut parts = maker().parts();
        entry(&mut parts[THIS_MODULE as usize]);
        parts[5].bytes.truncate(24); // the relocation of the init alone
        assert_eq!(linked(&assemble(&parts)).err(), Some(Errno::ENOEXEC), "{exit:#x}");
    }
}

#[test]
fn names_are_not_longer_than_linux_lets_them_be() {
    let named = |len: usize| {
        let mut maker = maker();
        let name: &'static str = alloc::boxed::Box::leak("s".repeat(len).into());
        maker.symbols.push((name, TEXT, 8));
        maker.relocs.push((88, TEXT_SYMBOL + 1, abi::R_AARCH64_ABS64, 0));
        maker.modinfo.push(format!("export={name}"));
        maker.make()
    };
    let exported = |image: &[u8]| {
        let file = File::parse(image)?;
        loaded::exports(&file, &Layout::of(&file)?, BASE).map(|exports| exports.len())
    };
    assert_eq!(exported(&named(511)), Ok(1));
    assert_eq!(exported(&named(512)), Err(Errno::ENOEXEC));
    let mut many = maker();
    many.symbols.push(("s", TEXT, 8));
    many.modinfo.extend(core::iter::repeat_n(String::from("export=s"), 257));
    assert_eq!(exported(&many.make()), Err(Errno::ENOEXEC));
}

#[test]
fn parameters_are_held_to_what_is_declared() {
    let mut maker = maker();
    maker.modinfo.extend(["parmtype=name:charp".into(), "parmtype=big_limit:ulong".into()]);
    let file = maker.make();
    let file = File::parse(&file).unwrap();
    let values = |text: &str| -> Result<Vec<Option<alloc::boxed::Box<str>>>> {
        params::parse(&file, text).map(|params| params.into_iter().map(|param| param.value).collect())
    };
    let pair =
        |name: Option<&str>, limit: Option<&str>| Ok(vec![name.map(Into::into), limit.map(Into::into)]);
    assert_eq!(values(""), pair(None, None));
    assert_eq!(values(" name=a  big_limit=0x10\n"), pair(Some("a"), Some("0x10")));
    assert_eq!(values("big-limit=5 other=1 flag name="), pair(Some(""), Some("5")));
    assert_eq!(values("name=\"two words\" \"big_limit=7\""), pair(Some("two words"), Some("7")));
    assert_eq!(values("name=a name=b"), pair(Some("b"), None));
    for wrong in ["name", "big_limit", "big_limit=", "big_limit=x", "big_limit=-1"] {
        assert_eq!(values(wrong), Err(Errno::EINVAL), "{wrong}");
    }
    assert_eq!(values(&format!("name={}", "a".repeat(1025))), Err(Errno::ENOSPC));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever is changed in a file, it is linked or refused, and linked it is as large as it was laid out.
    #[test]
    fn damaged_files_do_no_harm(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut maker = maker();
        maker.symbols = vec![("known", 0, 0), ("own", DATA, 16)];
        maker.relocs = vec![(40, 2, abi::R_AARCH64_CALL26, 0), (48, 3, abi::R_AARCH64_ADR_PREL_PG_HI21, 0)];
        let mut file = maker.make();
        for (at, byte) in flips {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok((bytes, entries)) = linked(&file) {
            let size = Layout::of(&File::parse(&file).unwrap()).unwrap().size();
            prop_assert_eq!(bytes.len(), size);
            for entry in [entries.init, entries.exit, entries.probe, entries.remove].into_iter().flatten() {
                prop_assert!((BASE..BASE + size).contains(&entry));
            }
        }
    }
}
