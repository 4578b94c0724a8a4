//! A module's descriptor and version magic (Linux: `struct module` in `.gnu.linkonce.this_module`, `vermagic.h`).

use heaps::{Errno, Result};

/// The section that holds the [`ThisModule`].
pub const THIS_MODULE_SECTION: &str = ".gnu.linkonce.this_module";
/// The section of `key=value` texts, each ended by a NUL.
pub const MODINFO_SECTION: &str = ".modinfo";
/// Bytes of a module's name, with the NUL that ends it.
pub const NAME_LEN: usize = 56;

/// What a module has to be built for, and by: the kernel refuses any other.
pub const VERMAGIC: &str =
    concat!("lastref-", env!("CARGO_PKG_VERSION"), " SMP mod_unload aarch64 abi-", env!("LASTREF_ABI"));

/// Starts a module. Runs under the kernel's module lock, and may sleep; an error leaves nothing behind.
pub type Init = fn(&Params<'_>) -> Result<()>;
/// Ends a module, or starts or ends its device. As [`Init`].
pub type Entry = fn() -> Result<()>;

/// What a module tells the kernel about itself. The loader reads it after relocation; an entry that is not there is
/// null.
#[repr(C)]
pub struct ThisModule {
    /// The name, ended by a NUL.
    pub name: [u8; NAME_LEN],
    /// Runs when the module is loaded.
    pub init: Option<Init>,
    /// Runs when it is unloaded. A module without can only be unloaded by force.
    pub exit: Option<Entry>,
    /// Binds the module's device to its driver, where it can be unbound.
    pub probe: Option<Entry>,
    /// Unbinds it.
    pub remove: Option<Entry>,
    /// Unbinds it after it has gone, and its memory with it.
    pub unplug: Option<Entry>,
}

/// A name as the descriptor holds it.
///
/// # Panics
/// At compile time, when it is too long.
pub const fn name(text: &str) -> [u8; NAME_LEN] {
    assert!(text.len() < NAME_LEN, "a module's name has less than 56 bytes");
    let mut name = [0; NAME_LEN];
    let mut at = 0;
    while at < text.len() {
        name[at] = text.as_bytes()[at];
        at += 1;
    }
    name
}

/// Bytes of the version magic's entry in the modinfo section.
pub const VERMAGIC_ENTRY_LEN: usize = "vermagic=".len() + VERMAGIC.len() + 1;

/// The version magic's entry in the modinfo section.
pub const VERMAGIC_ENTRY: [u8; VERMAGIC_ENTRY_LEN] = entry("vermagic=", VERMAGIC);

/// `key` (with its `=`) and `value` as an entry of the modinfo section of `N` bytes.
pub const fn entry<const N: usize>(key: &str, value: &str) -> [u8; N] {
    assert!(key.len() + value.len() + 1 == N, "an entry is as long as its parts and a NUL");
    let mut entry = [0; N];
    let mut at = 0;
    while at < N - 1 {
        entry[at] = if at < key.len() { key.as_bytes()[at] } else { value.as_bytes()[at - key.len()] };
        at += 1;
    }
    entry
}

/// The parameters a module was loaded with: those that it declares, each at most once.
pub struct Params<'a>(pub &'a [(&'a str, &'a str)]);

impl Params<'_> {
    /// The value of `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The value of `name`, a number as C writes it (decimal, `0x` hexadecimal, octal after a 0). `EINVAL` for what is
    /// none, or too large.
    pub fn number(&self, name: &str) -> Result<Option<usize>> {
        self.get(name).map(|value| number(value).ok_or(Errno::EINVAL)).transpose()
    }
}

/// A number as C writes it.
pub fn number(text: &str) -> Option<usize> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { usize::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_writes_them() {
        for (text, value) in [("0", Some(0)), ("12", Some(12)), ("+0x1F", Some(31)), ("010", Some(8))] {
            assert_eq!(number(text), value, "{text}");
        }
        for text in ["", "-1", "0x", "08", "1k", "+-1", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text}");
        }
        let params = Params(&[("limit", "4096"), ("name", "x")]);
        assert_eq!((params.get("name"), params.number("limit")), (Some("x"), Ok(Some(4096))));
        assert_eq!((params.number("name"), params.number("other")), (Err(Errno::EINVAL), Ok(None)));
    }

    #[test]
    fn names_and_entries_end_in_a_nul() {
        assert_eq!(&name("ab")[..4], b"ab\0\0");
        assert_eq!(&entry::<6>("a=", "bcd"), b"a=bcd\0");
        assert_eq!(VERMAGIC_ENTRY.last(), Some(&0));
    }
}
