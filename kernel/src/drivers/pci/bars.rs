//! Base address registers: how much memory a device wants behind each, and where it gets it.
#![forbid(unsafe_code)]

use pci_types::PciAddress;

use super::windows::{Assigned, Windows};
use crate::arch::ecam::Ecam;

/// How many such registers an endpoint has.
pub const BARS: usize = 6;
/// Where the first stands in configuration space.
const FIRST: u16 = 0x10;
/// Set for I/O space, which nothing is given of.
const IO: u32 = 1;
/// The bits that tell the kind of memory, and the kind that takes two registers.
const KIND: u32 = 3 << 1;
const KIND_32: u32 = 0;
const KIND_64: u32 = 2 << 1;
/// Bits that are no address.
const FLAGS: u32 = 0xf;

/// Gives memory to each register of a device that wants some, below 4 GiB. The device must not decode its addresses
/// meanwhile. What there is no room for stays without.
pub fn assign(ecam: &Ecam, device: PciAddress, windows: &mut Windows) -> [Option<Assigned>; BARS] {
    let mut bars = [None; BARS];
    let mut n = 0;
    while n < BARS {
        let at = FIRST + 4 * n as u16;
        let kind = ecam.read(device, at) & (IO | KIND);
        let wide = kind == KIND_64 && n + 1 < BARS;
        if wide || kind == KIND_32 {
            bars[n] = size(ecam, device, at, wide).and_then(|len| windows.take(len));
            ecam.write(device, at, bars[n].map_or(0, |bar| bar.bus));
        }
        if wide {
            ecam.write(device, at + 4, 0);
        }
        n += if wide { 2 } else { 1 };
    }
    bars
}

/// The bytes a register wants: of all ones that are written, those that stick tell the alignment. A power of two.
fn size(ecam: &Ecam, device: PciAddress, at: u16, wide: bool) -> Option<u64> {
    let stuck = |at: u16| {
        ecam.write(device, at, !0);
        ecam.read(device, at)
    };
    let low = u64::from(stuck(at) & !FLAGS);
    let high = if wide { u64::from(stuck(at + 4)) } else { 0xffff_ffff };
    let mask = high << 32 | low;
    // 64 trailing zeros, or 32 where no low bit stuck, are an absent register.
    (low != 0 || wide && mask != 0).then(|| 1 << mask.trailing_zeros())
}
