//! Program files, good and hostile.

use proptest::prelude::*;

use super::*;

struct Bytes(Vec<u8>);

impl Read for Bytes {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let from = (offset.min(self.0.len() as u64)) as usize;
        let len = into.len().min(self.0.len() - from);
        into[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }
}

fn parse_bytes(bytes: &[u8]) -> Result<Program> {
    parse(&Bytes(bytes.to_vec()), bytes.len() as u64)
}

/// One program header: type, flags, offset, address, file size, memory size.
type Header = (u32, u32, u64, u64, u64, u64);

fn file(e_type: u16, machine: u16, entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend(e_type.to_le_bytes());
    out.extend(machine.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for word in [entry, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64, 56, headers.len() as u16, 64, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    for &(p_type, flags, offset, addr, filesz, memsz) in headers {
        out.extend(p_type.to_le_bytes());
        out.extend(flags.to_le_bytes());
        for word in [offset, addr, addr, filesz, memsz, 0x1000] {
            out.extend(word.to_le_bytes());
        }
    }
    out.resize(0x3000, 0xaa);
    out
}

const TEXT: Header = (1, 5, 0, 0x40_0000, 0x1234, 0x1234);
const DATA: Header = (1, 6, 0x2010, 0x41_2010, 0x20, 0x3000);

#[test]
fn an_interpreter_is_named_and_goes_where_it_is_put() {
    let image = file(3, 183, 0x100, &[(3, 4, 0x100, 0x100, 8, 8), (1, 5, 0, 0, 0x1234, 0x2234)]);
    let parsed = read(&Bytes(image.clone())).unwrap();
    assert_eq!((parsed.interpreter(), parsed.span()), (Some((0x100, 8)), Some(0x3000)));
    let program = parsed.program(image.len() as u64, 0x7000_0000).unwrap();
    assert_eq!((program.bias, program.entry), (0x7000_0000, 0x7000_0100));
    assert_eq!(parse_bytes(&file(2, 183, 0x40_0100, &[TEXT])).unwrap().bias, 0);
    let endless = file(2, 183, 0x40_0100, &[(1, 5, 0, u64::MAX - 8, 8, 16)]);
    assert_eq!(read(&Bytes(endless)).unwrap().span(), None);
}

#[test]
fn a_static_program() {
    let program = parse_bytes(&file(2, 183, 0x40_0100, &[TEXT, DATA])).unwrap();
    assert_eq!((program.entry, program.phdr, program.phnum), (0x40_0100, 0x40_0040, 2));
    let rw = Prot::READ | Prot::WRITE;
    let data = Segment {
        start: 0x41_2000,
        file_end: 0x41_3000,
        end: 0x41_6000,
        offset: 0x2000,
        len: 0x30,
        prot: rw,
    };
    assert_eq!(program.segments[1], data);
    assert_eq!(program.segments[0].prot, Prot::READ | Prot::EXEC);
    assert_eq!((program.segments[0].file_end, program.segments[0].end), (0x40_2000, 0x40_2000));
}

#[test]
fn a_program_that_runs_anywhere_is_put_somewhere() {
    let text = (1, 5, 0, 0, 0x1234, 0x1234);
    let program = parse_bytes(&file(3, 183, 0x100, &[text])).unwrap();
    assert_eq!(program.entry, PIE_BASE + 0x100);
    assert_eq!(program.segments[0].start, PIE_BASE);
    assert_eq!(program.phdr, PIE_BASE + 64);
}

#[test]
fn memory_without_content_is_zero_from_its_start() {
    let bss = (1, 6, 0x10, 0x42_0010, 0, 0x5000);
    let program = parse_bytes(&file(2, 183, 0, &[TEXT, bss])).unwrap();
    assert_eq!((program.segments[1].start, program.segments[1].file_end), (0x42_0000, 0x42_0000));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |bytes: &[u8]| assert_eq!(parse_bytes(bytes), Err(Errno::ENOEXEC));
    let good = file(2, 183, 0x40_0100, &[TEXT, DATA]);
    refused(&[]);
    refused(b"#!/bin/sh\n");
    refused(&good[..63]);
    refused(&good[..100]);
    refused(&good[..0x2020]);
    refused(&file(2, 62, 0x40_0100, &[TEXT]));
    refused(&file(1, 183, 0x40_0100, &[TEXT]));
    refused(&file(2, 183, 0x40_0100, &[]));
    refused(&file(2, 183, u64::MAX, &[TEXT]));
    let with = |h: Header| refused(&file(2, 183, 0x40_0100, &[TEXT, h]));
    with((1, 6, 0x2010, 0x41_2011, 0x20, 0x20));
    with((1, 6, 0x2010, 0x41_2010, 0x21, 0x20));
    with((1, 6, 0x2010, 0x40_1010, 0x20, 0x20));
    with((1, 6, 0x2010, 0x2010, 0x20, 0x20));
    with((1, 6, 0x2010, u64::MAX - 0xfef, 0x20, 0x20));
    with((1, 6, 0x2010, 0xffff_0000_0000_2010, 0x20, 0x20));
    with((1, 6, u64::MAX - 0xfef, 0x41_2010, 0x20, 0x20));
    with((1, 6, 0x2010, 0x41_2010, 0x20, u64::MAX));
    let mut big_endian = good.clone();
    big_endian[5] = 2;
    refused(&big_endian);
    let mut short = good;
    short[4] = 1;
    refused(&short);
}

proptest! {
    #[test]
    fn noise_never_panics_and_what_passes_is_in_bounds(
        changes in prop::collection::vec((0usize..240, any::<u8>()), 0..24),
        cut in 0usize..0x3000,
        pie in any::<bool>(),
    ) {
        let mut bytes = file(if pie { 3 } else { 2 }, 183, 0x40_0100, &[TEXT, DATA]);
        for (at, value) in changes {
            bytes[at] = value;
        }
        if cut % 3 == 0 {
            bytes.truncate(cut);
        }
        if let Ok(program) = parse_bytes(&bytes) {
            let mut from = USER_START;
            for s in &program.segments {
                prop_assert!(from <= s.start && s.start <= s.file_end && s.file_end <= s.end && s.end <= MMAP_TOP);
                prop_assert!(s.offset + s.len <= bytes.len() as u64 && s.len <= s.end - s.start);
                from = s.end;
            }
        }
    }
}
