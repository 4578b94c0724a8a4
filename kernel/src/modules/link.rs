//! From a module's file to the bytes of its memory: sections copied, symbols resolved, relocations applied (Linux:
//! `simplify_symbols`, `apply_relocations`). Nothing here runs, and nothing outside of the bytes is touched.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::mem::offset_of;

use elf::abi;
use elf::symbol::Symbol;
use heaps::{Errno, Result};
use sdk::abi::ThisModule;

use super::file::File;
use super::layout::{Layout, Part};
use super::relocate;

/// Knows the addresses of symbols that other modules, or the kernel, export.
pub type Resolve<'a> = dyn FnMut(&str) -> Option<u64> + 'a;

/// Where a module's code is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entries {
    /// Runs when it is loaded.
    pub init: Option<usize>,
    /// Runs when it is unloaded.
    pub exit: Option<usize>,
    /// Binds its device.
    pub probe: Option<usize>,
    /// Unbinds its device.
    pub remove: Option<usize>,
    /// Unbinds its device after it has gone.
    pub unplug: Option<usize>,
}

/// Links `file`, laid out as `layout` says, to run at `base`: the bytes of all parts, and where they are entered.
/// `ENOENT` for a symbol nobody exports, `ENOEXEC` for what cannot be linked, `ENOMEM`.
pub fn link(
    file: &File<'_>,
    layout: &Layout,
    base: usize,
    resolve: &mut Resolve<'_>,
) -> Result<(Vec<u8>, Entries)> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(layout.size()).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(layout.size(), 0);
    for (number, section) in file.sections().iter().enumerate() {
        if let Some(offset) = layout.offset(number) {
            let place = bytes.get_mut(offset..offset + section.bytes.len()).ok_or(Errno::ENOEXEC)?;
            place.copy_from_slice(section.bytes);
        }
    }
    let symbols = symbols(file, layout, base, resolve)?;
    for table in file.relocations() {
        let (target, entries) = table?;
        let offset = layout.offset(target).ok_or(Errno::ENOEXEC)?;
        let size = file.sections()[target].header.sh_size as usize;
        let section = bytes.get_mut(offset..offset + size).ok_or(Errno::ENOEXEC)?;
        for entry in entries {
            let at = usize::try_from(entry.r_offset).ok().filter(|&at| at < size).ok_or(Errno::ENOEXEC)?;
            let symbol = symbols.get(entry.r_sym as usize).copied().flatten();
            let symbol = match entry.r_type {
                abi::R_AARCH64_NONE => 0,
                _ => symbol.ok_or(Errno::ENOEXEC)?,
            };
            let target = symbol.wrapping_add_signed(entry.r_addend);
            relocate::apply(entry.r_type, &mut section[at..], (base + offset + at) as u64, target)?;
        }
    }
    let entries = entries(file, layout, base, &bytes)?;
    Ok((bytes, entries))
}

/// The address of an exported symbol of `file`: a global one that is defined in a loaded section.
pub fn export(file: &File<'_>, layout: &Layout, base: usize, name: &str) -> Option<u64> {
    let is_it = |symbol: &Symbol| {
        !symbol.is_undefined() && symbol.st_bind() == abi::STB_GLOBAL && file.symbol_name(symbol) == Ok(name)
    };
    file.symbols().find(is_it).and_then(|symbol| defined(file, layout, base, &symbol))
}

/// Each symbol's address; none for one that nothing loaded may refer to.
fn symbols(
    file: &File<'_>,
    layout: &Layout,
    base: usize,
    resolve: &mut Resolve<'_>,
) -> Result<Vec<Option<u64>>> {
    let mut addresses = Vec::new();
    addresses.try_reserve_exact(file.symbols().count()).map_err(|_| Errno::ENOMEM)?;
    for symbol in file.symbols() {
        let name = file.symbol_name(&symbol)?;
        addresses.push(match symbol.st_shndx {
            abi::SHN_UNDEF if name.is_empty() => None,
            abi::SHN_UNDEF => Some(undefined(file, &symbol, resolve(name))?),
            abi::SHN_ABS => Some(symbol.st_value),
            _ => defined(file, layout, base, &symbol),
        });
    }
    Ok(addresses)
}

fn undefined(file: &File<'_>, symbol: &Symbol, found: Option<u64>) -> Result<u64> {
    if found.is_none() && symbol.st_bind() != abi::STB_WEAK {
        log::warn!("{}: Unknown symbol {}", file.name(), file.symbol_name(symbol)?);
        return Err(Errno::ENOENT);
    }
    Ok(found.unwrap_or(0))
}

fn defined(file: &File<'_>, layout: &Layout, base: usize, symbol: &Symbol) -> Option<u64> {
    let number = usize::from(symbol.st_shndx);
    let offset = layout.offset(number)?;
    let inside = symbol.st_value <= file.sections()[number].header.sh_size;
    inside.then(|| (base + offset) as u64 + symbol.st_value)
}

/// Reads the entries out of the descriptor. `ENOEXEC` for one that is not in the module's text.
fn entries(file: &File<'_>, layout: &Layout, base: usize, bytes: &[u8]) -> Result<Entries> {
    let descriptor = layout.offset(file.this_module()).ok_or(Errno::ENOEXEC)?;
    let text = layout.range(Part::Text);
    let entry = |field: usize| {
        let at = descriptor + field;
        let word = bytes.get(at..at + 8).and_then(|word| word.first_chunk()).ok_or(Errno::ENOEXEC)?;
        let address = usize::from_le_bytes(*word);
        let inside = address.wrapping_sub(base) >= text.start && address.wrapping_sub(base) < text.end;
        match address {
            0 => Ok(None),
            _ if inside && address.is_multiple_of(4) => Ok(Some(address)),
            _ => Err(Errno::ENOEXEC),
        }
    };
    Ok(Entries {
        init: entry(offset_of!(ThisModule, init))?,
        exit: entry(offset_of!(ThisModule, exit))?,
        probe: entry(offset_of!(ThisModule, probe))?,
        remove: entry(offset_of!(ThisModule, remove))?,
        unplug: entry(offset_of!(ThisModule, unplug))?,
    })
}
