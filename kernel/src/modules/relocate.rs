//! Relocations, as AArch64 compilers make them for the small code model (ELF for the Arm 64-bit Architecture, 5.7;
//! Linux: `arch/arm64/kernel/module.c`).
//!
//! All of a module lies within a branch's reach of all of the kernel, so that no branch needs a veneer.
#![forbid(unsafe_code)]

use elf::abi::*;
use heaps::{Errno, Result};

/// Applies one relocation of type `kind` to the bytes at `place`, which are at the address `at` when the module runs,
/// so that they lead to `target` (the symbol's address plus the addend). `ENOEXEC` for a type that is not known, a
/// place that is too short, or a target out of reach.
pub fn apply(kind: u32, place: &mut [u8], at: u64, target: u64) -> Result<()> {
    let value = Value { target, at };
    match kind {
        R_AARCH64_NONE => Ok(()),
        R_AARCH64_ABS64 => put(place, target.to_le_bytes()),
        R_AARCH64_ABS32 => put(place, value.absolute32()?.to_le_bytes()),
        R_AARCH64_PREL64 => put(place, (value.distance() as u64).to_le_bytes()),
        R_AARCH64_PREL32 => put(place, value.relative::<32>(0)?.to_le_bytes()),
        R_AARCH64_CALL26 | R_AARCH64_JUMP26 => field(place, 0x03ff_ffff, 0, value.relative::<28>(2)?),
        R_AARCH64_CONDBR19 | R_AARCH64_LD_PREL_LO19 => {
            field(place, 0x7ffff << 5, 5, value.relative::<21>(2)?)
        }
        R_AARCH64_TSTBR14 => field(place, 0x3fff << 5, 5, value.relative::<16>(2)?),
        R_AARCH64_ADR_PREL_LO21 => adr(place, value.relative::<21>(0)?),
        R_AARCH64_ADR_PREL_PG_HI21 => adr(place, value.pages()?),
        R_AARCH64_ADR_PREL_PG_HI21_NC => adr(place, value.page_distance() as u32),
        R_AARCH64_ADD_ABS_LO12_NC | R_AARCH64_LDST8_ABS_LO12_NC => low12(place, target, 0),
        R_AARCH64_LDST16_ABS_LO12_NC => low12(place, target, 1),
        R_AARCH64_LDST32_ABS_LO12_NC => low12(place, target, 2),
        R_AARCH64_LDST64_ABS_LO12_NC => low12(place, target, 3),
        R_AARCH64_LDST128_ABS_LO12_NC => low12(place, target, 4),
        R_AARCH64_MOVW_UABS_G0_NC => wide(place, target, 0),
        R_AARCH64_MOVW_UABS_G1_NC => wide(place, target, 1),
        R_AARCH64_MOVW_UABS_G2_NC => wide(place, target, 2),
        R_AARCH64_MOVW_UABS_G3 => wide(place, target, 3),
        _ => Err(Errno::ENOEXEC),
    }
}

/// What a relocation computes with.
struct Value {
    target: u64,
    at: u64,
}

impl Value {
    /// From the place to the target.
    fn distance(&self) -> i64 {
        self.target.wrapping_sub(self.at) as i64
    }

    /// From the place's page to the target's, in pages.
    fn page_distance(&self) -> i64 {
        ((self.target & !0xfff).wrapping_sub(self.at & !0xfff) as i64) >> 12
    }

    /// The distance in units of `1 << shift` bytes, where it is a signed number of `BITS` bits.
    fn relative<const BITS: u32>(&self, shift: u32) -> Result<u32> {
        let distance = self.distance();
        let fits = fits(distance, BITS) && distance.trailing_zeros() >= shift;
        if fits { Ok((distance >> shift) as u32) } else { Err(Errno::ENOEXEC) }
    }

    fn pages(&self) -> Result<u32> {
        let pages = self.page_distance();
        if fits(pages, 21) { Ok(pages as u32) } else { Err(Errno::ENOEXEC) }
    }

    /// The target, where it is a number of 32 bits, signed or not.
    fn absolute32(&self) -> Result<u32> {
        let signed = self.target as i64;
        if fits(signed, 32) || self.target >> 32 == 0 { Ok(self.target as u32) } else { Err(Errno::ENOEXEC) }
    }
}

fn fits(value: i64, bits: u32) -> bool {
    let limit = 1i64 << (bits - 1);
    (-limit..limit).contains(&value)
}

fn put<const N: usize>(place: &mut [u8], bytes: [u8; N]) -> Result<()> {
    place.get_mut(..N).ok_or(Errno::ENOEXEC)?.copy_from_slice(&bytes);
    Ok(())
}

/// Replaces the bits in `mask` of the instruction by those of `value << shift`.
fn field(place: &mut [u8], mask: u32, shift: u32, value: u32) -> Result<()> {
    let word = place.first_chunk_mut::<4>().ok_or(Errno::ENOEXEC)?;
    *word = (u32::from_le_bytes(*word) & !mask | value << shift & mask).to_le_bytes();
    Ok(())
}

/// ADR and ADRP: two bits of the immediate at 29, nineteen at 5.
fn adr(place: &mut [u8], value: u32) -> Result<()> {
    field(place, 3 << 29, 29, value)?;
    field(place, 0x7ffff << 5, 5, value >> 2)
}

/// The low twelve bits of the target, scaled by what the instruction accesses, whose size they must be a multiple of.
fn low12(place: &mut [u8], target: u64, scale: u32) -> Result<()> {
    let low = target as u32 & 0xfff;
    if low & ((1 << scale) - 1) != 0 {
        return Err(Errno::ENOEXEC);
    }
    field(place, 0xfff << 10, 10, low >> scale)
}

/// MOVZ and MOVK: sixteen bits of the target.
fn wide(place: &mut [u8], target: u64, group: u32) -> Result<()> {
    field(place, 0xffff << 5, 5, (target >> (16 * group)) as u32 & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 0xffff_8000_8400_1000;

    /// The instruction `word` at `AT`, relocated.
    fn relocated(kind: u32, word: u32, target: u64) -> Result<u32> {
        let mut bytes = word.to_le_bytes();
        apply(kind, &mut bytes, AT, target)?;
        Ok(u32::from_le_bytes(bytes))
    }

    #[test]
    fn branches_reach_as_far_as_they_do_and_no_farther() {
        // bl .+4, and the farthest in both directions.
        assert_eq!(relocated(R_AARCH64_CALL26, 0x9400_0000, AT + 4), Ok(0x9400_0001));
        assert_eq!(relocated(R_AARCH64_CALL26, 0x9400_0000, AT - 4), Ok(0x97ff_ffff));
        assert_eq!(relocated(R_AARCH64_JUMP26, 0x1400_0000, AT + (1 << 27) - 4), Ok(0x15ff_ffff));
        assert_eq!(relocated(R_AARCH64_JUMP26, 0x1400_0000, AT - (1 << 27)), Ok(0x1600_0000));
        for target in [AT + (1 << 27), AT - (1 << 27) - 4, AT + 2, 0] {
            assert_eq!(relocated(R_AARCH64_CALL26, 0x9400_0000, target), Err(Errno::ENOEXEC));
        }
        assert_eq!(relocated(R_AARCH64_CONDBR19, 0x5400_0000, AT + (1 << 20) - 4), Ok(0x547f_ffe0));
        assert_eq!(relocated(R_AARCH64_CONDBR19, 0x5400_0000, AT + (1 << 20)), Err(Errno::ENOEXEC));
        assert_eq!(relocated(R_AARCH64_TSTBR14, 0x3600_0000, AT - (1 << 15)), Ok(0x3604_0000));
        assert_eq!(relocated(R_AARCH64_TSTBR14, 0x3600_0000, AT + (1 << 15)), Err(Errno::ENOEXEC));
    }

    #[test]
    fn addresses_are_made_of_a_page_and_an_offset() {
        // adrp x0 to two pages on; add x0, x0, #0xabc; ldr x0, [x0, #0xab8].
        assert_eq!(relocated(R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, AT + 0x2abc), Ok(0xd000_0000));
        assert_eq!(relocated(R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, AT - 0x1000), Ok(0xf0ff_ffe0));
        assert_eq!(relocated(R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, AT + (1 << 32)), Err(Errno::ENOEXEC));
        assert!(relocated(R_AARCH64_ADR_PREL_PG_HI21_NC, 0x9000_0000, AT + (1 << 32)).is_ok());
        assert_eq!(relocated(R_AARCH64_ADR_PREL_LO21, 0x1000_0000, AT + 5), Ok(0x3000_0020));
        assert_eq!(relocated(R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0000, 0xabc), Ok(0x912a_f000));
        assert_eq!(relocated(R_AARCH64_LDST64_ABS_LO12_NC, 0xf940_0000, 0xab8), Ok(0xf945_5c00));
        assert_eq!(relocated(R_AARCH64_LDST64_ABS_LO12_NC, 0xf940_0000, 0xabc), Err(Errno::ENOEXEC));
        assert_eq!(relocated(R_AARCH64_LDST128_ABS_LO12_NC, 0x3dc0_0000, 0x10), Ok(0x3dc0_0400));
        assert_eq!(relocated(R_AARCH64_MOVW_UABS_G1_NC, 0xf2a0_0000, 0x1234_5678), Ok(0xf2a2_4680));
    }

    #[test]
    fn data_holds_addresses_and_distances() {
        let mut bytes = [0xaa; 8];
        assert_eq!(apply(R_AARCH64_ABS64, &mut bytes, AT, 0x1122_3344_5566_7788), Ok(()));
        assert_eq!(u64::from_le_bytes(bytes), 0x1122_3344_5566_7788);
        assert_eq!(apply(R_AARCH64_PREL64, &mut bytes, AT, AT - 16), Ok(()));
        assert_eq!(i64::from_le_bytes(bytes), -16);
        assert_eq!(apply(R_AARCH64_PREL32, &mut bytes, AT, AT + 0x7fff_ffff), Ok(()));
        assert_eq!(apply(R_AARCH64_PREL32, &mut bytes, AT, AT + 0x8000_0000), Err(Errno::ENOEXEC));
        assert_eq!(apply(R_AARCH64_ABS32, &mut bytes, AT, 0xffff_ffff), Ok(()));
        assert_eq!(apply(R_AARCH64_ABS32, &mut bytes, AT, AT), Err(Errno::ENOEXEC));
    }

    #[test]
    fn what_is_too_short_or_unknown_is_refused() {
        assert_eq!(apply(R_AARCH64_ABS64, &mut [0; 7], AT, 0), Err(Errno::ENOEXEC));
        assert_eq!(apply(R_AARCH64_CALL26, &mut [0; 3], AT, AT), Err(Errno::ENOEXEC));
        assert_eq!(apply(R_AARCH64_NONE, &mut [], AT, 0), Ok(()));
        for unknown in [1, 311, R_AARCH64_MOVW_UABS_G0, u32::MAX] {
            assert_eq!(apply(unknown, &mut [0; 8], AT, AT), Err(Errno::ENOEXEC));
        }
    }
}
