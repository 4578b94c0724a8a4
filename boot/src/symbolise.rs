//! Names the addresses in the kernel's reports from the ELF files of the kernel and its modules.
//!
//! The kernel prints `[<ffff800080012345>]`, and where that is in a module, loaded or gone, `{tee_heap+0x12c}` after it:
//! module and offset from the start of its text. After it come the function, its file and line; the
//! functions it was inlined into follow on lines of their own. An address right after `pc` is where
//! the CPU was, and so is the same address in the lines after it, for a call trace begins there; any
//! other is where a call returns to, so the call itself lies just before it.
//!
//! Inlined functions of Rust's own libraries are left out where one of ours is there to be shown: that a
//! pointer was read by `core::ptr` says nothing. Types are named without the modules they are in.

use std::cell::Cell;
use std::path::Path;

use addr2line::Loader;
use anyhow::{Result, anyhow};

use crate::build::Guest;
use crate::workspace;

/// The symbols and line tables of the kernel and its modules.
pub struct Symboliser {
    kernel: Loader,
    modules: Vec<(String, Loader)>,
    root: String,
    /// Where the CPU was, as the latest report says.
    pc: Cell<Option<u64>>,
}

impl Symboliser {
    /// Reads the symbols of a guest's kernel and modules.
    pub fn new(guest: &Guest) -> Result<Symboliser> {
        let modules = guest.modules.iter().map(|module| Ok((module.name.clone(), load(&module.object)?)));
        Ok(Symboliser {
            kernel: load(&guest.kernel)?,
            modules: modules.collect::<Result<_>>()?,
            root: format!("{}/", workspace::root().display()),
            pc: Cell::new(None),
        })
    }

    /// Names every address in a line. The result has more lines where functions were inlined.
    pub fn line(&self, line: &str) -> String {
        let mut named = String::new();
        let mut callers = Vec::new();
        let mut rest = line;
        while let Some((before, address, mut after)) = next_address(rest) {
            let printed = &rest[..rest.len() - after.len()];
            named.push_str(printed);
            if before.trim_end_matches([' ', ':', '=']).ends_with("pc") {
                self.pc.set(Some(address));
            }
            let is_pc = self.pc.get() == Some(address);
            let frames = match in_module(after) {
                None => self.frames(&self.kernel, address, is_pc),
                Some((name, offset, after_module)) => {
                    named.push_str(&after[..after.len() - after_module.len()]);
                    after = after_module;
                    self.module(name).map_or_else(Vec::new, |module| self.frames(module, offset, is_pc))
                }
            };
            let mut frames = frames.into_iter();
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

    /// The symbols of a module: of the file whose copy it is, where its name is that file's and a number.
    fn module(&self, name: &str) -> Option<&Loader> {
        let is_it = |known: &str| {
            let rest = name.strip_prefix(known)?;
            (rest.is_empty() || rest.starts_with('_')).then_some(known.len())
        };
        let fit = |(known, loader)| is_it(known).map(|len| (len, loader));
        let fits = self.modules.iter().filter_map(|(known, loader)| fit((known.as_str(), loader)));
        fits.max_by_key(|(len, _)| *len).map(|(_, loader)| loader)
    }

    /// The functions at an address that are worth a line, innermost first. The last is a real one, with its
    /// offset.
    fn frames(&self, loader: &Loader, address: u64, is_pc: bool) -> Vec<String> {
        let probe = if is_pc { address } else { address.saturating_sub(1) };
        let Some(symbol) = loader.find_symbol_info(probe) else { return Vec::new() };
        let mut frames = Vec::new();
        if let Ok(mut found) = loader.find_frames(probe) {
            while let Ok(Some(frame)) = found.next() {
                let name = frame.function.and_then(|function| Some(function.demangle().ok()?.into_owned()));
                let place = frame.location.and_then(|at| Some(self.place(at.file?, at.line?)));
                frames.push((name, place));
            }
        }
        // Only the real function has a symbol to take the name from where there is no other.
        let (name, place) = frames.pop().unwrap_or_default();
        let name = name.unwrap_or_else(|| format!("{:#}", rustc_demangle::demangle(symbol.name())));
        let inlined = frames.into_iter().map(|(name, place)| (name.unwrap_or_else(|| "?".into()), place));
        let all = inlined.chain([(name, place)]).map(|(name, place)| Frame { name, place }).collect();
        let mut frames = worth_showing(all);
        let offset = address.saturating_sub(symbol.address());
        frames.iter_mut().for_each(|frame| frame.name = without_modules(&frame.name));
        frames.last_mut().into_iter().for_each(|real| real.name += &format!("+{offset:#x}"));
        frames.into_iter().map(Frame::describe).collect()
    }

    fn place(&self, file: &str, line: u32) -> String {
        format!("{}:{line}", shorten(file, &self.root))
    }
}

/// A function, and where in the source it was.
#[derive(Debug)]
struct Frame {
    name: String,
    place: Option<String>,
}

impl Frame {
    /// Whether it is of Rust's own libraries; those are the places that [`shorten`] lets begin so.
    fn is_internal(&self) -> bool {
        let place = self.place.as_deref().unwrap_or_default();
        ["core/src/", "alloc/src/", "std/src/", "compiler-builtins/"]
            .iter()
            .any(|library| place.starts_with(library))
    }

    fn describe(self) -> String {
        match self.place {
            Some(place) => format!("{} ({place})", self.name),
            None => self.name,
        }
    }
}

/// Leaves out the inlined frames (all but the last) that are internal, unless every frame is.
fn worth_showing(mut frames: Vec<Frame>) -> Vec<Frame> {
    if frames.iter().all(Frame::is_internal) {
        return frames;
    }
    let real = frames.pop();
    frames.retain(|frame| !frame.is_internal());
    frames.into_iter().chain(real).collect()
}

/// How much of a function's generic arguments is shown, in bytes; longer ones are closures in closures.
const LONGEST_ARGUMENTS: usize = 60;

/// A function's name with the modules left out of the types in `<…>`: `<a::b::File<a::c::Kernel>>::open` is
/// `<File<Kernel>>::open`. What stands outside is the function's own path, and stays.
fn without_modules(name: &str) -> String {
    let mut short = String::new();
    let (mut depth, mut segment) = (0usize, 0); // where in `short` the current segment of a path begins
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let of_path = rest.strip_prefix("::").filter(|_| depth > 0 && segment < short.len());
        // A closure is nothing without what it is in.
        if let Some(after) = of_path.filter(|after| !after.starts_with('{')) {
            short.truncate(segment);
            rest = after;
            continue;
        }
        match c {
            '<' => depth += 1,
            '>' if !short.ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        short.push(c);
        rest = &rest[c.len_utf8()..];
        if !(c.is_alphanumeric() || "_:{}#".contains(c)) {
            segment = short.len();
        }
    }
    match short.find('<').filter(|&at| at > 0 && short.ends_with('>')) {
        Some(at) if short.len() - at > LONGEST_ARGUMENTS => short[..at].to_owned() + "<…>",
        _ => short,
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

/// What the kernel says about an address in a module: `{NAME+0xOFFSET}` at the start of `text`, and what follows.
fn in_module(text: &str) -> Option<(&str, u64, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (name, offset) = inside.split_once("+0x")?;
    Some((name, u64::from_str_radix(offset, 16).ok()?, after))
}

fn load(file: &Path) -> Result<Loader> {
    Loader::new(file).map_err(|error| anyhow!("{}: {error}", file.display()))
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
    use crate::build::Module;

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
    fn a_module_and_an_offset_are_read() {
        assert_eq!(in_module("{tee_heap+0x1c} by"), Some(("tee_heap", 0x1c, " by")));
        for none in ["", " {a+0x1}", "{a+0x1", "{a}", "{a+1}", "{a+0xg}"] {
            assert_eq!(in_module(none), None, "{none}");
        }
    }

    #[test]
    fn paths_are_shortened() {
        assert_eq!(shorten("/w/kernel/src/a.rs", "/w/"), "kernel/src/a.rs");
        assert_eq!(shorten("/usr/lib/rustlib/src/rust/library/core/src/x.rs", "/w/"), "core/src/x.rs");
        assert_eq!(shorten("/h/.cargo/registry/src/index-1/spin-0.12/src/l.rs", "/w/"), "spin-0.12/src/l.rs");
        assert_eq!(shorten("/elsewhere/x.rs", "/w/"), "/elsewhere/x.rs");
    }

    fn frame(name: &str, place: &str) -> Frame {
        Frame { name: name.into(), place: Some(place.into()) }
    }

    #[test]
    fn inlined_frames_of_the_libraries_are_hidden_unless_there_are_no_others() {
        let shown = |frames: Vec<Frame>| -> Vec<String> {
            worth_showing(frames).into_iter().map(|frame| frame.name).collect()
        };
        let read = || frame("read_volatile", "core/src/ptr/mod.rs:1");
        let glue = || frame("drop_in_place", "core/src/ptr/mod.rs:9");
        let ours = || frame("put", "heaps/src/kref.rs:2");
        assert_eq!(shown(vec![read(), ours(), read(), glue()]), ["put", "drop_in_place"]);
        assert_eq!(shown(vec![read(), ours()]), ["put"]);
        assert_eq!(shown(vec![read(), glue()]), ["read_volatile", "drop_in_place"]);
        assert_eq!(shown(vec![glue()]), ["drop_in_place"]);
        // Neither a place that only looks like theirs, nor one that is not known.
        assert!(!frame("x", "kernel/src/core/src/x.rs:1").is_internal());
        assert!(!Frame { name: "x".into(), place: None }.is_internal());
    }

    #[test]
    fn types_are_named_without_their_modules() {
        for (long, short) in [
            ("heaps::cdev::put", "heaps::cdev::put"),
            (
                "<heaps::cdev::CdevRef<kernel::Kernel> as core::ops::drop::Drop>::drop",
                "<CdevRef<Kernel> as Drop>::drop",
            ),
            ("a::put::<b::c::Kernel, &[d::E]>", "a::put::<Kernel, &[E]>"),
            ("<a::b::C>::f::<fn(x::Y) -> z::W>::{closure#0}", "<C>::f::<fn(Y) -> W>::{closure#0}"),
            ("run::<a::b::{closure#1}>", "run::<b::{closure#1}>"),
            ("<<a::B as c::D>::E as f::G>::h", "<<B as D>::E as G>::h"),
            (
                "core::ptr::drop_in_place<alloc::boxed::Box<dyn v::file::Ops>>",
                "core::ptr::drop_in_place<Box<dyn Ops>>",
            ),
            (&format!("run<{}>", "a::VeryLong, ".repeat(9)), "run<…>"),
            ("", ""),
            (">::é<", ">::é<"),
        ] {
            assert_eq!(without_modules(long), short);
        }
    }

    #[inline(never)]
    fn somewhere() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn a_function_of_this_very_program_is_named() {
        let this = std::env::current_exe().unwrap();
        let guest = Guest {
            kernel: this.clone(),
            modules: vec![Module { name: "heap".into(), object: this.clone(), file: Vec::new() }],
            ..Guest::default()
        };
        let symboliser = Symboliser::new(&guest).unwrap();
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
        // The trace that follows begins with the same address, which is no return address.
        assert!(symboliser.line(&format!(" [<{address:x}>]")).contains("somewhere+0x0"));
        symboliser.line("pc=[<1>]");
        assert!(!symboliser.line(&format!(" [<{address:x}>]")).contains("somewhere"));
        // In a module the offset counts, and copies of a module have its symbols.
        for module in ["heap", "heap_2"] {
            let named = symboliser.line(&format!("pc=[<7>]{{{module}+{address:#x}}} end"));
            assert!(
                named.contains(&format!("{module}+{address:#x}}} ")) && named.contains("somewhere+0x0"),
                "{named}"
            );
        }
        let unknown = format!("[<7>]{{heaps+{address:#x}}}");
        assert_eq!(symboliser.line(&unknown), unknown);
    }
}
