//! Turns ELF files into what the machine is given: the kernel into a flat arm64 Image, programs into
//! ELF files without what only a debugger reads.

use anyhow::{Context, Result, bail, ensure};
use object::LittleEndian as LE;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// Offset and value of the mark that makes a flat file an arm64 Image.
const MAGIC: (usize, &[u8]) = (56, b"ARM\x64");

/// A kernel spread over more than this has a broken link script.
const LARGEST: u64 = 64 << 20;

/// Lays the loadable segments of a kernel out by physical address. The first bytes must be the
/// arm64 Image header; what lies past the last byte of the file (.bss) is left to that header.
pub fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<LE>::parse(elf).context("the kernel is no ELF file")?;
    let segments: Vec<_> = header
        .program_headers(LE, elf)
        .context("the kernel's program headers are broken")?
        .iter()
        .filter(|segment| segment.p_type(LE) == PT_LOAD && segment.p_filesz(LE) > 0)
        .collect();
    let base = segments.iter().map(|segment| segment.p_paddr(LE)).min().context("nothing to load")?;
    let mut image = Vec::new();
    for segment in segments {
        let bytes = segment.data(LE, elf).ok().context("a segment reaches past the end of the file")?;
        let start = segment.p_paddr(LE) - base;
        let end = start.saturating_add(bytes.len() as u64);
        ensure!(end <= LARGEST, "the kernel's segments are too far apart");
        let (start, end) = (start as usize, end as usize);
        if image.len() < end {
            image.resize(end, 0);
        }
        image[start..end].copy_from_slice(bytes);
    }
    let (offset, mark) = MAGIC;
    if image.get(offset..offset + mark.len()) != Some(mark) {
        bail!("the kernel does not begin with an arm64 Image header");
    }
    Ok(image)
}

/// Drops section headers and everything else that lies after the last segment: symbols, line tables.
pub fn without_sections(mut elf: Vec<u8>) -> Result<Vec<u8>> {
    const SECTION_TABLE_OFFSET: usize = 40;
    const SECTION_COUNTS: usize = 58;
    const HEADER_SIZE: usize = 64;
    let header = FileHeader64::<LE>::parse(&*elf).context("not an ELF file")?;
    let segments = header.program_headers(LE, &*elf).context("broken program headers")?;
    let table_end = header.e_phoff(LE) + u64::from(header.e_phnum(LE)) * 56;
    let end = segments
        .iter()
        .map(|segment| segment.p_offset(LE).saturating_add(segment.p_filesz(LE)))
        .fold(table_end, u64::max);
    elf.truncate(usize::try_from(end)?.max(HEADER_SIZE));
    elf[SECTION_TABLE_OFFSET..SECTION_TABLE_OFFSET + 8].fill(0);
    elf[SECTION_COUNTS..HEADER_SIZE].fill(0); // e_shentsize, e_shnum, e_shstrndx
    Ok(elf)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A little ELF file: `segments` are (kind, physical address, bytes), then `tail`.
    pub(crate) fn elf(machine: u16, segments: &[(u32, u64, &[u8])], tail: &[u8]) -> Vec<u8> {
        let mut elf = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        elf.extend(2u16.to_le_bytes());
        elf.extend(machine.to_le_bytes());
        elf.extend(1u32.to_le_bytes());
        for field in [0x40_0000u64, 64, 0x1234] {
            elf.extend(field.to_le_bytes());
        }
        elf.extend(0u32.to_le_bytes());
        for field in [64, 56, segments.len() as u16, 64, 9, 9] {
            elf.extend(field.to_le_bytes());
        }
        let mut offset = 64 + 56 * segments.len() as u64;
        for (kind, address, bytes) in segments {
            elf.extend(kind.to_le_bytes());
            elf.extend(5u32.to_le_bytes());
            let size = bytes.len() as u64;
            for field in [offset, address.wrapping_add(0x40_0000), *address, size, size, 4] {
                elf.extend(field.to_le_bytes());
            }
            offset += size;
        }
        segments.iter().for_each(|(_, _, bytes)| elf.extend_from_slice(bytes));
        elf.extend_from_slice(tail);
        elf
    }

    fn image_header() -> Vec<u8> {
        let mut header = vec![0; 64];
        header[56..60].copy_from_slice(b"ARM\x64");
        header
    }

    #[test]
    fn segments_land_by_physical_address() {
        let header = image_header();
        let file = elf(183, &[(PT_LOAD.0, 0x100, b"data"), (PT_LOAD.0, 0, &header)], b"symbols");
        let image = flatten(&file).unwrap();
        assert_eq!(image.len(), 0x104);
        assert_eq!(&image[..64], header);
        assert_eq!(&image[0x100..], b"data");
    }

    #[test]
    fn a_kernel_without_image_header_is_refused() {
        let file = elf(183, &[(PT_LOAD.0, 0, &[0; 80])], b"");
        assert!(flatten(&file).unwrap_err().to_string().contains("Image header"));
        let far = elf(183, &[(PT_LOAD.0, 0, &image_header()), (PT_LOAD.0, u64::MAX, b"x")], b"");
        assert!(flatten(&far).is_err());
        assert!(flatten(b"#!/bin/sh").is_err());
    }

    #[test]
    fn programs_lose_what_no_segment_needs() {
        let file = elf(183, &[(PT_LOAD.0, 0, b"text")], b"symbols");
        let slim = without_sections(file.clone()).unwrap();
        assert_eq!(slim.len(), file.len() - 7);
        assert!(slim.ends_with(b"text"));
        assert_eq!(&slim[40..48], [0; 8]);
    }
}
