//! Names the addresses in the kernel's reports from the kernel's ELF file.
//!
//! The kernel prints `[<ffff800080012345>]`. After it come the function, its file and line; the
//! functions it was inlined into follow on lines of their own. An address right after `pc` is where
//! the CPU was; any other is where a call returns to, so the call itself lies just before it.

use std::path::Path;

use addr2line::Loader;
use anyhow::{Result, anyhow};

use crate::workspace;

/// The kernel's symbols and line tables.
pub struct Symboliser {
    loader: Loader,
    root: String,
}

impl Symboliser {
    /// Reads the symbols of a kernel.
    pub fn new(kernel: &Path) -> Result<Symboliser> {
        let loader = Loader::new(kernel).map_err(|error| anyhow!("{}: {error}", kernel.display()))?;
        Ok(Symboliser { loader, root: format!("{}/", workspace::root().display()) })
    }

    /// Names every address in a line. The result has more lines where functions were inlined.
    pub fn line(&self, line: &str) -> String {
        let mut named = String::new();
        let mut callers = Vec::new();
        let mut rest = line;
        while let Some((before, address, after)) = next_address(rest) {
            let printed = &rest[..rest.len() - after.len()];
            named.push_str(printed);
            let is_pc = before.trim_end_matches([' ', ':', '=']).ends_with("pc");
            let mut frames = self.frames(address, is_pc).into_iter();
            if let Some(innermost) = frames.next() {
                named.push(' ');
                named.push_str(&innermost);
            }
            callers.extend(frames);
            rest = after;
        }
        named.push_str(rest);
        let indent = line.len() - line.trim_start().len() + 4;
        for caller in callers {
            named.push_str(&format!("\n{:indent$}inlined in {caller}", ""));
        }
        named
    }

    /// The functions at an address, innermost first. The last is a real one, with its offset.
    fn frames(&self, address: u64, is_pc: bool) -> Vec<String> {
        let probe = if is_pc { address } else { address.saturating_sub(1) };
        let Some(symbol) = self.loader.find_symbol_info(probe) else { return Vec::new() };
        let mut frames = Vec::new();
        if let Ok(mut found) = self.loader.find_frames(probe) {
            while let Ok(Some(frame)) = found.next() {
                let name = frame.function.and_then(|function| Some(function.demangle().ok()?.into_owned()));
                let place = frame.location.and_then(|at| Some(self.place(at.file?, at.line?)));
                frames.push((name, place));
            }
        }
        let (name, place) = frames.pop().unwrap_or_default();
        let name = name.unwrap_or_else(|| format!("{:#}", rustc_demangle::demangle(symbol.name())));
        let offset = address.saturating_sub(symbol.address());
        frames.push((Some(format!("{name}+{offset:#x}")), place));
        let describe = |(name, place): (Option<String>, Option<String>)| {
            let name = name.unwrap_or_else(|| "?".into());
            place.map_or_else(|| name.clone(), |place| format!("{name} ({place})"))
        };
        frames.into_iter().map(describe).collect()
    }

    fn place(&self, file: &str, line: u32) -> String {
        format!("{}:{line}", shorten(file, &self.root))
    }
}

/// Splits at the first `[<address>]`: what stands before it, the address, what follows.
fn next_address(text: &str) -> Option<(&str, u64, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("[<")?;
        from = start + 2;
        let Some(end) = text[from..].find(">]") else { continue };
        if let Ok(address) = u64::from_str_radix(text[from..from + end].trim_start_matches("0x"), 16) {
            return Some((&text[..start], address, &text[from + end + 2..]));
        }
    }
}

/// A path as a reader knows it: from the workspace's root, from the crate's name in cargo's registry,
/// or from the library's name in Rust's own source.
fn shorten<'a>(file: &'a str, root: &str) -> &'a str {
    if let Some(inside) = file.strip_prefix(root) {
        return inside;
    }
    if let Some((_, library)) = file.rsplit_once("/library/") {
        return library;
    }
    match file.split_once("/registry/src/") {
        Some((_, path)) => path.split_once('/').map_or(path, |(_index, path)| path),
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_among_other_brackets() {
        assert_eq!(
            next_address(" pc=[<ffff800080000010>] pid=1"),
            Some((" pc=", 0xffff_8000_8000_0010, " pid=1"))
        );
        assert_eq!(next_address("[<oops>] [<12>]"), Some(("[<oops>] ", 0x12, "")));
        for none in ["", "[<", "[<>]", "[<123", "[12]", "[<ffff8000800000100>]", "[<é>]"] {
            assert_eq!(next_address(none), None, "{none}");
        }
    }

    #[test]
    fn paths_are_shortened() {
        assert_eq!(shorten("/w/kernel/src/a.rs", "/w/"), "kernel/src/a.rs");
        assert_eq!(shorten("/usr/lib/rustlib/src/rust/library/core/src/x.rs", "/w/"), "core/src/x.rs");
        assert_eq!(shorten("/h/.cargo/registry/src/index-1/spin-0.12/src/l.rs", "/w/"), "spin-0.12/src/l.rs");
        assert_eq!(shorten("/elsewhere/x.rs", "/w/"), "/elsewhere/x.rs");
    }

    #[inline(never)]
    fn somewhere() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn a_function_of_this_very_program_is_named() {
        let this = std::env::current_exe().unwrap();
        let symboliser = Symboliser::new(&this).unwrap();
        let symbol = std::fs::read(&this).unwrap();
        let file = object::File::parse(&*symbol).unwrap();
        use object::{Object, ObjectSymbol};
        let address = file
            .symbols()
            .find(|symbol| symbol.name().is_ok_and(|name| name.contains("9somewhere")))
            .unwrap()
            .address();
        assert_eq!(somewhere(), 7);
        let named = symboliser.line(&format!("  pc : [<{address:x}>] end"));
        assert!(named.contains("symbolise::tests::somewhere+0x0 (boot/src/symbolise.rs:"), "{named}");
        assert!(named.ends_with(") end"), "{named}");
        assert_eq!(symboliser.line("[<1>] nothing here"), "[<1>] nothing here");
    }
}
