//! System calls with arguments no well-meaning program passes.
//!
//! Safe all the same: an argument that could be an address is one where nothing of the program's is, or one
//! inside a mapping, which nobody borrows.

use super::call;
use super::memory::Mapping;
use crate::rt::abi::{self, nr};
use heaps::uapi::errno::Result;

/// One argument.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    /// A small number, -4096..=4096.
    Int(i64),
    /// An ioctl's number; only as its second argument.
    Command(u32),
    /// `O_CLOEXEC` and `O_NONBLOCK` together.
    FdFlags,
    /// An address below 64 KiB or with any of bits 48 to 55 set, outside the lower half: never the program's.
    Bad(usize),
    /// The address at this offset of a mapping, whose last page must be inaccessible when the kernel may
    /// write past its end.
    At(&'a Mapping, usize),
}

/// Makes the call.
///
/// # Panics
/// Where an argument is outside what its kind promises.
pub fn syscall(number: usize, args: &[Arg<'_>]) -> Result<usize> {
    let mut registers = [0usize; 6];
    for (i, arg) in args.iter().enumerate() {
        registers[i] = match *arg {
            Arg::Int(value) => {
                assert!((-4096..=4096).contains(&value), "no small number: {value}");
                value as usize
            }
            Arg::Command(command) => {
                assert!(number == nr::IOCTL && i == 1);
                command as usize
            }
            // Below every address of the program's.
            Arg::FdFlags => (abi::O_CLOEXEC | abi::O_NONBLOCK) as usize,
            Arg::Bad(address) => {
                assert!(address < 0x1_0000 || address >> 48 & 0xff != 0, "somebody's address: {address:#x}");
                address
            }
            Arg::At(mapping, offset) => {
                assert!(offset < mapping.length());
                assert!(![nr::MUNMAP, nr::MPROTECT, nr::BRK, nr::CLONE].contains(&number));
                mapping.address() + offset
            }
        };
    }
    // SAFETY: whatever the kernel takes for an address is nobody's, or in pages that nobody borrows.
    unsafe { call(number, registers) }
}
