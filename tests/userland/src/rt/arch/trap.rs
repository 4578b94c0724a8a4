//! Things a program must not do. Each is expected to end in a signal; coming back from one is the finding.

/// A way to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Branches to this address.
    JumpTo(usize),
    /// Loads from this address.
    LoadFrom(usize),
    /// Stores to this address.
    StoreTo(usize),
    /// `brk #0`.
    Breakpoint,
    /// An instruction that is defined as undefined.
    Undefined,
    /// Reads SCTLR_EL1.
    PrivilegedRead,
    /// Masks interrupts.
    PrivilegedWrite,
}

/// Does it. Only for processes that exist to die of it.
#[cfg(target_os = "none")]
pub fn spring(trap: Trap) {
    use core::arch::asm;
    // SAFETY: none of these continues when the kernel does its work; where one does come back, the registers
    // it changed are declared, and the process reports the failure and exits.
    unsafe {
        match trap {
            Trap::JumpTo(address) => asm!("blr {}", in(reg) address, clobber_abi("C")),
            Trap::LoadFrom(address) => asm!("ldr {0}, [{0}]", inout(reg) address => _),
            Trap::StoreTo(address) => asm!("str xzr, [{}]", in(reg) address),
            Trap::Breakpoint => asm!("brk #0"),
            Trap::Undefined => asm!("udf #0"),
            Trap::PrivilegedRead => asm!("mrs {}, sctlr_el1", out(reg) _),
            Trap::PrivilegedWrite => asm!("msr daifset, #2"),
        }
    }
}

/// On the host nothing is sprung.
#[cfg(not(target_os = "none"))]
pub fn spring(_trap: Trap) {}

/// Reads a word at an odd offset of ordinary memory, which the architecture allows: its value.
pub fn unaligned_load(bytes: &[u8; 16], offset: usize) -> u64 {
    assert!(offset <= 8);
    // SAFETY: within the array; the read is declared unaligned.
    unsafe { (bytes.as_ptr().add(offset) as *const u64).read_unaligned() }
}

/// The address of an instruction of this program.
pub fn text_address() -> usize {
    spring as fn(Trap) as usize & !7
}

/// The address of a constant of this program.
pub fn constant_address() -> usize {
    static CONSTANT: u64 = 0x6c61_7374_7265_6600;
    &raw const CONSTANT as usize
}
