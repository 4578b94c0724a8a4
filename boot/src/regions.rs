//! Memory set aside for heaps, as `--cma`, `--carveout` and `--protected` ask for it.

use anyhow::{Result, bail, ensure};

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Contiguous buffers; the kernel may use it for other memory meanwhile (`shared-dma-pool`, `reusable`).
    Pool,
    /// A heap's own.
    Carveout,
    /// A heap's own that no CPU may map (`no-map`).
    Protected,
}

/// A region to be entered in the device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is for.
    pub kind: Kind,
    /// The device-tree node's name, and so the heap's. `None` for the default pool.
    pub name: Option<String>,
    /// Bytes, whole [`UNIT`]s.
    pub size: u64,
    /// Where; `None` lets the launcher choose.
    pub base: Option<u64>,
}

/// Regions start at a multiple of this and are as long, in bytes: a block of the kernel's page tables.
pub const UNIT: u64 = 2 << 20;

impl Region {
    /// Reads `[NAME=]SIZE[@BASE]`.
    pub fn parse_pool(text: &str) -> Result<Region> {
        match text.split_once('=') {
            Some((name, place)) => Region::parse(Kind::Pool, Some(name), place),
            None => Region::parse(Kind::Pool, None, text),
        }
    }

    /// Reads `NAME=SIZE[@BASE]`.
    pub fn parse_carveout(text: &str) -> Result<Region> {
        Region::parse_named(Kind::Carveout, text)
    }

    /// Reads `NAME=SIZE[@BASE]`.
    pub fn parse_protected(text: &str) -> Result<Region> {
        Region::parse_named(Kind::Protected, text)
    }

    fn parse_named(kind: Kind, text: &str) -> Result<Region> {
        match text.split_once('=') {
            Some((name, place)) => Region::parse(kind, Some(name), place),
            None => bail!("write a name and a size, as in camera=16M"),
        }
    }

    fn parse(kind: Kind, name: Option<&str>, place: &str) -> Result<Region> {
        let (size, base) = match place.split_once('@') {
            Some((size, base)) => (size, Some(parse_bytes(base)?)),
            None => (place, None),
        };
        let size = parse_bytes(size)?;
        if let Some(name) = name {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_,.+".contains(c);
            ensure!(
                !name.is_empty() && name.len() <= 31 && name.chars().all(fits) && !name.starts_with('.'),
                "a name is 1 to 31 letters, digits, or one of - _ , . +"
            );
        }
        ensure!(size > 0 && size.is_multiple_of(UNIT), "the size has to be a multiple of 2M");
        ensure!(base.is_none_or(|base| base.is_multiple_of(UNIT)), "the base has to be a multiple of 2M");
        Ok(Region { kind, name: name.map(str::to_owned), size, base })
    }
}

/// Reads bytes: a decimal or hexadecimal number, with a suffix K, M or G or none.
fn parse_bytes(text: &str) -> Result<u64> {
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    match number.ok().and_then(|number| number.checked_mul(1 << shift)) {
        Some(bytes) => Ok(bytes),
        None => bail!("{text:?} is no number of bytes; write 16M or 0x60000000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_read_with_and_without_name_and_base() {
        let region =
            |kind, name: Option<&str>, size, base| Region { kind, name: name.map(str::to_owned), size, base };
        assert_eq!(Region::parse_pool("16M").unwrap(), region(Kind::Pool, None, 16 << 20, None));
        assert_eq!(
            Region::parse_pool("camera=0x200000@0x50000000").unwrap(),
            region(Kind::Pool, Some("camera"), 2 << 20, Some(0x5000_0000))
        );
        assert_eq!(
            Region::parse_carveout("video=1G@1G").unwrap(),
            region(Kind::Carveout, Some("video"), 1 << 30, Some(1 << 30))
        );
    }

    #[test]
    fn what_cannot_be_set_aside_is_refused() {
        for wrong in
            ["", "0", "1M", "16M@1", "=16M", "a b=16M", "../x=16M", "x=", "x=-2M", "x=99999999999G", "é=2M"]
        {
            assert!(Region::parse_pool(wrong).is_err(), "{wrong}");
        }
        assert!(Region::parse_carveout("16M").unwrap_err().to_string().contains("camera=16M"));
    }
}
