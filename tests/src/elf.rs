//! Small ELF files that are not what they should be, for the launcher to refuse. (`elf.h`, 64 bits.)

/// 64-bit Arm.
pub const AARCH64: u16 = 183;
/// 64-bit x86.
pub const X86_64: u16 = 62;
/// A segment that is loaded.
pub const PT_LOAD: u32 = 1;
/// A segment that names a dynamic linker.
pub const PT_INTERP: u32 = 3;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// A little-endian executable for `machine` with one segment.
pub fn executable(machine: u16, segment: u32, content: &[u8]) -> Vec<u8> {
    let offset = HEADER + PROGRAM_HEADER;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend(2u16.to_le_bytes()); // an executable
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(0x40_0000u64.to_le_bytes()); // its entry
    file.extend((HEADER as u64).to_le_bytes()); // program headers
    file.extend(0u64.to_le_bytes()); // no sections
    file.extend(0u32.to_le_bytes());
    for half in [HEADER, PROGRAM_HEADER, 1, 64, 0, 0] {
        file.extend((half as u16).to_le_bytes());
    }
    file.extend(segment.to_le_bytes());
    file.extend(5u32.to_le_bytes()); // readable, executable
    for double in [offset, 0x40_0000, 0x40_0000, content.len(), content.len(), 0x1000] {
        file.extend((double as u64).to_le_bytes());
    }
    file.extend(content);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastref::program::check;

    #[test]
    fn only_what_is_meant_to_be_wrong_is_wrong() {
        check(&executable(AARCH64, PT_LOAD, b"code")).unwrap();
        check(&executable(X86_64, PT_LOAD, b"code")).unwrap_err();
        check(&executable(AARCH64, PT_INTERP, b"/lib/ld.so\0")).unwrap_err();
    }
}
